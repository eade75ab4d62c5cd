/* <err.h> (BSD): messages on standard error, beginning with the program's name. warn() and err()
 * add the text of errno; err() and errx() end the program. */
#ifndef USER_ERR_H
#define USER_ERR_H

void warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void warnx(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void err(int status, const char *fmt, ...) __attribute__((format(printf, 2, 3), noreturn));
void errx(int status, const char *fmt, ...) __attribute__((format(printf, 2, 3), noreturn));
const char *getprogname(void);

#endif
