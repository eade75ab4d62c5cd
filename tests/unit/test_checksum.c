/* net/checksum.c against RFC 1071's example and a sum made byte by byte. */
#include "host.h"

#include "lib/byteorder.h"
#include "net/net.h"

/* RFC 1071, 1, as written: no grouping, no alignment, big-endian. */
static uint16_t reference(const uint8_t *p, size_t n)
{
    uint32_t sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += i % 2 ? p[i] : (uint32_t)p[i] << 8;
    while (sum > 0xffff)
        sum = (sum & 0xffff) + (sum >> 16);
    return htons((uint16_t)~sum);
}

static void test_rfc_example(void **state)
{
    (void)state;
    const uint8_t data[] = {0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7}; /* RFC 1071, 3 */
    assert_int_equal(checksum_finish(checksum_add(0, data, sizeof(data))),
                     htons((uint16_t)~0xddf2));
}

/* Every length 0 to 200 at every alignment, in memory that ends where the data end. */
static void test_lengths_and_alignments(void **state)
{
    (void)state;
    for (size_t offset = 0; offset < 8; offset++) {
        for (size_t n = 0; n <= 200; n++) {
            uint8_t *block = host_memory(offset + n);
            for (size_t i = 0; i < n; i++)
                block[offset + i] = (uint8_t)(i * 37 + n + 200);
            assert_int_equal(checksum_finish(checksum_add(0, block + offset, n)),
                             reference(block + offset, n));
            host_memory_free(block);
        }
    }
}

/* All-ones data carry at every step. */
static void test_carries(void **state)
{
    (void)state;
    for (size_t n = 0; n <= 64; n++) {
        uint8_t *block = memset(host_memory(n + 1), 0xff, n + 1);
        assert_int_equal(checksum_finish(checksum_add(0, block, n)), reference(block, n));
        assert_int_equal(checksum_finish(checksum_add(0, block + 1, n)), reference(block, n));
        host_memory_free(block);
    }
    const uint64_t big[5] = {UINT64_MAX, 1, UINT64_MAX, UINT64_MAX - 1, 2};
    assert_int_equal(checksum_finish(checksum_add(0, big, sizeof(big))),
                     reference((const uint8_t *)big, sizeof(big)));
}

/* A running sum over pieces is the sum of the whole; only the last piece is odd. */
static void test_pieces(void **state)
{
    (void)state;
    uint8_t data[101];
    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (uint8_t)(i * 91 + 7);
    for (size_t cut = 0; cut <= 100; cut += 2) {
        uint32_t sum = checksum_add(UINT32_MAX, data, cut); /* all-ones is another zero */
        sum = checksum_add(sum, data + cut, sizeof(data) - cut);
        assert_int_equal(checksum_finish(sum), reference(data, sizeof(data)));
    }
}

static void test_verification(void **state)
{
    (void)state;
    uint8_t data[20] = {0x45, 0, 0, 20, 1, 2, 0x40, 0, 64, 17, 0, 0, 10, 0, 2, 15, 10, 0, 2, 2};
    uint16_t sum = checksum_finish(checksum_add(0, data, sizeof(data)));
    memcpy(data + 10, &sum, sizeof(sum));
    assert_int_equal(checksum_finish(checksum_add(0, data, sizeof(data))), 0);
    for (size_t bit = 0; bit < 8 * sizeof(data); bit++) {
        data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_not_equal(checksum_finish(checksum_add(0, data, sizeof(data))), 0);
        data[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
}

static void test_pseudo_header(void **state)
{
    (void)state;
    const uint8_t header[12] = {10, 0, 2, 15, 192, 168, 255, 1, 0, 17, 0x12, 0x34}; /* RFC 768 */
    uint32_t sum = checksum_pseudo(BE32(0x0a00020f), BE32(0xc0a8ff01), 17, 0x1234);
    assert_int_equal(checksum_finish(sum), reference(header, sizeof(header)));
    sum = checksum_pseudo(UINT32_MAX, UINT32_MAX, 255, 65535);
    const uint8_t ones[12] = {255, 255, 255, 255, 255, 255, 255, 255, 0, 255, 255, 255};
    assert_int_equal(checksum_finish(sum), reference(ones, sizeof(ones)));
}

/* For every length and place of source and target: the bytes, none beside them, and the sum. */
static void test_copy(void **state)
{
    (void)state;
    _Alignas(8) uint8_t from[160], to[160];
    for (size_t i = 0; i < sizeof(from); i++)
        from[i] = (uint8_t)(i < 64 ? 0xff : i * 37 + 200); /* all-ones data carry at every step */
    for (size_t n = 0; n <= 100; n++) {
        for (unsigned place = 0; place < 64; place++) {
            const uint8_t *source = from + place % 8;
            uint8_t *target = to + 8 + place / 8;
            memset(to, 0xee, sizeof(to));
            uint32_t sum = checksum_copy(UINT32_MAX - place, target, source, n);
            assert_int_equal(checksum_finish(sum),
                             checksum_finish(checksum_add(UINT32_MAX - place, source, n)));
            if (n)
                assert_memory_equal(target, source, n);
            assert_int_equal(target[-1], 0xee);
            assert_int_equal(target[n], 0xee);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rfc_example),  cmocka_unit_test(test_lengths_and_alignments),
        cmocka_unit_test(test_carries),      cmocka_unit_test(test_pieces),
        cmocka_unit_test(test_verification), cmocka_unit_test(test_pseudo_header),
        cmocka_unit_test(test_copy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
