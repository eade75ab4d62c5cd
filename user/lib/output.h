/* Standard output of a program whose work is what it prints. */
#ifndef USER_LIB_OUTPUT_H
#define USER_LIB_OUTPUT_H

/* The program's exit status: `status`, or, after a message, `failure` if standard output has not
 * taken everything. */
int output_status(int status, int failure);

#endif
