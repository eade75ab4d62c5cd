/* Linked in front of two functions (ld --wrap): of cmocka's group only the test that TEST names is run; and what a
 * queue logs is not compared with the reference's words: something must be said, how is the student's choice. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

int __real__cmocka_run_group_tests(const char *name, const struct CMUnitTest *tests, size_t count,
                                   CMFixtureFunction setup, CMFixtureFunction teardown);
int __wrap__cmocka_run_group_tests(const char *name, const struct CMUnitTest *tests, size_t count,
                                   CMFixtureFunction setup, CMFixtureFunction teardown);

int __wrap__cmocka_run_group_tests(const char *name, const struct CMUnitTest *tests, size_t count,
                                   CMFixtureFunction setup, CMFixtureFunction teardown)
{
    cmocka_set_test_filter(getenv("TEST"));
    return __real__cmocka_run_group_tests(name, tests, count, setup, teardown);
}

const char *host_log(void);
bool __wrap_host_log_contains(const char *text);

bool __wrap_host_log_contains(const char *text)
{
    (void)text;
    return host_log()[0] != '\0';
}
