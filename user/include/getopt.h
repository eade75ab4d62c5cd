/* <getopt.h>: getopt(), which is in <unistd.h>. */
#ifndef USER_GETOPT_H
#define USER_GETOPT_H

#include <unistd.h>

#endif
