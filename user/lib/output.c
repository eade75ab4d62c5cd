/* The end of a program's output: see output.h. */
#include "output.h"

#include <err.h>
#include <stdio.h>

/* What is still in the buffer can fail now; what was written line by line may have failed before,
 * and the stream remembers that, but not why. */
int output_status(int status, int failure)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return status;
    warnx("standard output: not everything could be written");
    return failure;
}
