/* What the C library does by itself, where a program relies on the edges. */
#include "test.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* A text that is no number from -5 to 70000. */
static void expect_refused(const char *text, const char *reason, int error)
{
    const char *wrong = NULL;

    errno = 0;
    EXPECT(strtonum(text, -5, 70000, &wrong), 0);
    EXPECT(errno, error);
    EXPECT_TRUE(wrong && strcmp(wrong, reason) == 0);
}

static void expect_number(const char *text, long long least, long long most, long long number)
{
    const char *wrong = "not set";

    errno = ENOTTY;
    EXPECT(strtonum(text, least, most, &wrong), number);
    EXPECT(errno, ENOTTY);
    EXPECT_TRUE(!wrong);
}

static void test_numbers(void)
{
    static const char *const invalid[] = {"",   " ",    "-",   "+",   "x", "1x",
                                          "1 ", "0x10", "1.5", "--1", "5-"};

    for (size_t i = 0; i < sizeof invalid / sizeof *invalid; i++)
        expect_refused(invalid[i], "invalid", EINVAL);
    expect_refused("-6", "too small", ERANGE);
    expect_refused("-99999999999999999999999", "too small", ERANGE);
    expect_refused("70001", "too large", ERANGE);
    expect_refused("4294967297", "too large", ERANGE); /* 1, had it been cut off */
    expect_refused("18446744073709551617", "too large", ERANGE);

    expect_number("-5", -5, 70000, -5);
    expect_number("0", -5, 70000, 0);
    expect_number("+07", -5, 70000, 7);
    expect_number("70000", -5, 70000, 70000);
    expect_number("9223372036854775807", 0, LLONG_MAX, LLONG_MAX);
    expect_number("-9223372036854775808", LLONG_MIN, 0, LLONG_MIN);

    errno = 0;
    EXPECT(strtonum("9223372036854775808", LLONG_MIN, LLONG_MAX, NULL), 0);
    EXPECT(errno, ERANGE);
    errno = 0;
    EXPECT(strtonum("-9223372036854775809", LLONG_MIN, LLONG_MAX, NULL), 0);
    EXPECT(errno, ERANGE);
}

const struct test library_tests[] = {
    {"numbers", test_numbers, 10, false},
    {0},
};
