/* See e1000_device.h. Section numbers are those of Intel's 8254x manual. */
#include "host.h"

#include "arch/barrier.h"
#include "e1000_device.h"

void *realloc(void *p, size_t n);
void free(void *p);

#define CTRL   0x0000u
#define STATUS 0x0008u
#define EERD   0x0014u
#define ICR    0x00c0u
#define ICS    0x00c8u
#define IMS    0x00d0u
#define IMC    0x00d8u
#define RCTL   0x0100u
#define TCTL   0x0400u
#define RDBAL  0x2800u
#define RDLEN  0x2808u
#define RDH    0x2810u
#define RDT    0x2818u
#define TDBAL  0x3800u
#define TDLEN  0x3808u
#define TDH    0x3810u
#define TDT    0x3818u
#define RXCSUM 0x5000u
#define MTA    0x5200u
#define RAL    0x5400u
#define RAH    0x5404u

#define RST     (1u << 26)
#define LINK_UP 0x2u
#define ENABLE  0x2u
#define UPE     0x8u
#define MPE     0x10u
#define LPE     0x20u
#define BAM     (1u << 15)
#define SECRC   (1u << 26)

#define FRAME_MIN     60u
#define FRAME_MAX     1518u           /* without the check sequence, with a VLAN tag */
#define RESET_SILENCE (1 * NS_PER_US) /* 13.4.1 */
#define GARBAGE       0xdeadbeefu

static uint32_t *reg(struct e1000_model *model, unsigned offset)
{
    return &model->registers[offset / 4];
}

uint32_t e1000_model_register(const struct e1000_model *model, unsigned offset)
{
    return model->registers[offset / 4];
}

/* --- interrupts (13.4.17 to 13.4.21) --- */

static void line_update(struct e1000_model *model)
{
    bool up = (model->icr & model->ims) != 0;
    if (up && model->interrupts_lost)
        return;
    host_wire_set(model->source, model->wire, up);
}

void e1000_model_interrupt(struct e1000_model *model, uint32_t causes)
{
    model->icr |= causes;
    line_update(model);
}

void e1000_model_link(struct e1000_model *model, bool up)
{
    uint32_t *status = reg(model, STATUS);
    *status = up ? *status | LINK_UP : *status & ~LINK_UP;
    e1000_model_interrupt(model, MODEL_LSC);
}

/* --- rings --- */

static uint8_t *descriptor_at(const struct e1000_model *model, unsigned base, uint32_t index)
{
    uint64_t low = e1000_model_register(model, base), high = e1000_model_register(model, base + 4);
    return (uint8_t *)(uintptr_t)((high << 32 | low) + 16 * (uint64_t)index);
}

static uint32_t ring_size(const struct e1000_model *model, unsigned length_register)
{
    return e1000_model_register(model, length_register) / 16;
}

static uint64_t load(const uint8_t *from, unsigned bytes)
{
    uint64_t value = 0;
    memcpy(&value, from, bytes);
    return value;
}

/* 3.2.6, 3.4: base a multiple of 16, length of 128, head and tail inside. */
static void ring_check(const struct e1000_model *model, unsigned base)
{
    uint32_t size = ring_size(model, base + 8);
    assert_int_equal(e1000_model_register(model, base) % 16, 0);
    assert_int_equal(e1000_model_register(model, base + 8) % 128, 0);
    assert_true(size >= 8);
    assert_true(e1000_model_register(model, base + 0x10) < size);
    assert_true(e1000_model_register(model, base + 0x18) < size);
}

/* --- sending (3.3) --- */

static uint16_t sum_of(const uint8_t *bytes, size_t n)
{
    uint32_t sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += i % 2 ? bytes[i] : (uint32_t)bytes[i] << 8;
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)sum;
}

/* 3.3.7.3, TXSM: the sum from TUCSS to TUCSE goes where TUCSO says. */
static void checksum_insert(struct e1000_model *model)
{
    const uint8_t *context = (const uint8_t *)&model->context;
    unsigned start = context[4], store = context[5];
    assert_true(model->contexts > 0);
    assert_int_equal(context[6] | context[7], 0); /* to the end */
    assert_true(store + 2 <= model->pieces_length && start < store);
    uint16_t sum = (uint16_t)~sum_of(model->pieces + start, model->pieces_length - start);
    if (sum == 0)
        sum = 0xffff;
    model->pieces[store] = (uint8_t)(sum >> 8);
    model->pieces[store + 1] = (uint8_t)sum;
}

static void frame_end(struct e1000_model *model)
{
    if (model->piece_options & 2)
        checksum_insert(model);
    assert_true(model->pieces_length >= FRAME_MIN);
    assert_true(model->sent_count < E1000_MODEL_FRAMES);
    model->sent[model->sent_count++] = (struct e1000_model_frame){
        .bytes = host_copy(model->pieces, model->pieces_length), .length = model->pieces_length};
    model->pieces_length = 0;
}

/* Processes one descriptor; true if it asked for a report. */
static bool descriptor_send(struct e1000_model *model, uint8_t *descriptor)
{
    uint32_t command = (uint32_t)load(descriptor + 8, 4);
    uint8_t bits = (uint8_t)(command >> 24);
    bool extended = bits & 0x20, data = !extended || (command >> 20 & 15) == 1;
    assert_int_equal(descriptor[12], 0); /* the status was cleared before */

    if (!data) {
        assert_int_equal(command >> 20 & 15, 0);
        model->context = load(descriptor, 8);
        model->contexts++;
    } else {
        uint32_t length = command & (extended ? 0xfffff : 0xffff);
        if (model->pieces_length == 0)
            model->piece_options = extended ? descriptor[13] : 0;
        model->pieces = realloc(model->pieces, model->pieces_length + length);
        memcpy(model->pieces + model->pieces_length, (const void *)(uintptr_t)load(descriptor, 8),
               length);
        model->pieces_length += length;
        if (bits & 0x01) {
            assert_true(bits & 0x02); /* IFCS, or there is no check sequence on the wire */
            frame_end(model);
        }
    }
    if (bits & 0x08)
        descriptor[12] = MODEL_DD;
    return bits & 0x08;
}

unsigned e1000_model_send(struct e1000_model *model, unsigned n)
{
    uint32_t *head = reg(model, TDH), tail = *reg(model, TDT), causes = 0;
    unsigned count = 0;
    if (!(*reg(model, TCTL) & ENABLE))
        return 0;
    for (; count < n && *head != tail; count++) {
        if (descriptor_send(model, descriptor_at(model, TDBAL, *head)))
            causes |= MODEL_TXDW;
        *head = (*head + 1) % ring_size(model, TDLEN);
    }
    if (count > 0 && *head == tail)
        causes |= MODEL_TXQE;
    e1000_model_interrupt(model, causes);
    return count;
}

/* --- receiving (3.2) --- */

unsigned e1000_model_posted(const struct e1000_model *model)
{
    uint32_t size = ring_size(model, RDLEN);
    if (size == 0)
        return 0;
    return (e1000_model_register(model, RDT) + size - e1000_model_register(model, RDH)) % size;
}

static uint32_t buffer_size(const struct e1000_model *model)
{
    uint32_t rctl = e1000_model_register(model, RCTL), code = rctl >> 16 & 3;
    return (rctl & 1u << 25 ? 32768u : 2048u) >> code;
}

/* Fills the next descriptor. */
static void descriptor_fill(struct e1000_model *model, const void *bytes, uint16_t length,
                            uint8_t status, uint8_t errors)
{
    uint32_t *head = reg(model, RDH);
    uint8_t *descriptor = descriptor_at(model, RDBAL, *head);
    assert_true(e1000_model_posted(model) > 0);
    assert_int_equal(descriptor[12], 0);
    if (bytes)
        memcpy((void *)(uintptr_t)load(descriptor, 8), bytes, length);
    memcpy(descriptor + 8, &length, 2);
    descriptor[13] = errors;
    descriptor[12] = status;
    *head = (*head + 1) % ring_size(model, RDLEN);
}

void e1000_model_receive_raw(struct e1000_model *model, uint16_t length, uint8_t status,
                             uint8_t errors)
{
    descriptor_fill(model, NULL, length, status, errors);
    e1000_model_interrupt(model, MODEL_RXT0);
}

bool e1000_model_receive_as(struct e1000_model *model, const void *bytes, size_t n, uint8_t status,
                            uint8_t errors)
{
    uint32_t size = buffer_size(model);
    const uint8_t *from = bytes;
    if (e1000_model_posted(model) < (n + size - 1) / size) {
        model->missed++;
        e1000_model_interrupt(model, MODEL_RXO);
        return false;
    }
    while (n > size) {
        descriptor_fill(model, from, (uint16_t)size, MODEL_DD, 0);
        from += size;
        n -= size;
    }
    descriptor_fill(model, from, (uint16_t)n, (uint8_t)(MODEL_DD | MODEL_EOP | status), errors);
    e1000_model_interrupt(model, MODEL_RXT0);
    return true;
}

/* 13.5: exact addresses, broadcast, the multicast table, or everything. */
static bool filter_accepts(const struct e1000_model *model, const uint8_t *to)
{
    static const uint8_t broadcast[] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    uint32_t rctl = e1000_model_register(model, RCTL);
    if (memcmp(to, broadcast, 6) == 0)
        return rctl & BAM;
    if (rctl & (to[0] & 1 ? MPE : UPE))
        return true;
    for (unsigned i = 0; i < 16; i++) {
        uint64_t low = e1000_model_register(model, RAL + 8 * i);
        uint64_t high = e1000_model_register(model, RAH + 8 * i);
        uint64_t address = low | (high & 0xffff) << 32;
        if ((high & 1u << 31) && memcmp(&address, to, 6) == 0)
            return true;
    }
    unsigned bit = (to[5] << 4 | to[4] >> 4) & 0xfff;
    return (to[0] & 1) && (e1000_model_register(model, MTA + 4 * (bit / 32)) >> (bit % 32) & 1);
}

bool e1000_model_receive(struct e1000_model *model, const void *bytes, size_t n)
{
    uint32_t rctl = *reg(model, RCTL);
    if (!(rctl & ENABLE) || !(*reg(model, STATUS) & LINK_UP) || !filter_accepts(model, bytes))
        return false;
    assert_true(rctl & SECRC); /* or lengths would count the check sequence */
    if (n > FRAME_MAX && !(rctl & LPE))
        return false;
    return e1000_model_receive_as(model, bytes, n, MODEL_IXSM, 0);
}

/* --- registers --- */

/* After a reset everything is undefined that the manual does not define, and what software last
 * wrote is certainly gone. */
static void reset(struct e1000_model *model)
{
    uint32_t status = *reg(model, STATUS);
    model->resets++;
    model->reset_at = clock_ns();
    model->reset_left = model->reset_reads;
    if (model->reset_does_nothing)
        return;
    for (size_t i = 0; i < ARRAY_SIZE(model->registers); i++)
        model->registers[i] = GARBAGE;
    *reg(model, RCTL) = *reg(model, TCTL) = 0;
    *reg(model, CTRL) = 0;
    *reg(model, STATUS) = status;
    model->icr = model->ims = 0;
    model->contexts = 0;
    model->pieces_length = 0;
    line_update(model);
}

static uint32_t eerd_read(struct e1000_model *model)
{
    uint32_t command = *reg(model, EERD);
    if (model->eeprom_left == E1000_MODEL_NEVER)
        return command & ~0x10u;
    if (!(command & 1) || model->eeprom_left-- > 0)
        return command & ~0x10u;
    model->eeprom_left = 0;
    return (uint32_t)model->eeprom[command >> 8 & 63] << 16 | 0x10 | (command & 0xff01);
}

static uint32_t ctrl_read(struct e1000_model *model)
{
    if (model->reset_left == 0)
        return *reg(model, CTRL) & ~RST;
    if (model->reset_left != E1000_MODEL_NEVER)
        model->reset_left--;
    return *reg(model, CTRL) | RST;
}

static uint32_t icr_read(struct e1000_model *model)
{
    uint32_t causes = model->icr;
    model->icr_reads++;
    model->icr = 0;
    line_update(model);
    return causes;
}

static void access_check(const struct e1000_model *model, unsigned offset, unsigned width)
{
    assert_int_equal(width, 4);
    if (model->resets > 0 && clock_ns() - model->reset_at < RESET_SILENCE)
        fail_msg("access to 0x%x right after the reset", offset);
}

static uint32_t model_read(void *argument, unsigned offset, unsigned width)
{
    struct e1000_model *model = argument;
    access_check(model, offset, width);
    model->reads++;
    if (model->gone)
        return UINT32_MAX;
    switch (offset) {
    case CTRL:
        return ctrl_read(model);
    case EERD:
        return eerd_read(model);
    case ICR:
        return icr_read(model);
    case IMS:
        return model->ims;
    }
    return *reg(model, offset);
}

static void ring_write(struct e1000_model *model, unsigned offset, uint32_t value)
{
    bool tx = offset >= TDBAL;
    unsigned base = tx ? TDBAL : RDBAL;
    bool enabled = *reg(model, tx ? TCTL : RCTL) & ENABLE;
    *reg(model, offset) = value;
    if (offset != base + 0x18) {
        if (enabled)
            fail_msg("register 0x%x of a running ring written", offset);
        return;
    }
    model->tail_writes[tx]++;
    if (!enabled)
        return;
    assert_int_not_equal(host_publishes, model->publishes); /* E1K-ORDERING-1 */
    model->publishes = host_publishes;
    ring_check(model, base);
    if (tx && !model->tx_held)
        e1000_model_send(model, UINT32_MAX);
}

static void control_write(struct e1000_model *model, unsigned offset, uint32_t value)
{
    *reg(model, offset) = value;
    model->rctl_writes += offset == RCTL;
    if (value & ENABLE)
        ring_check(model, offset == RCTL ? RDBAL : TDBAL);
}

int e1000_model_written(const struct e1000_model *model, int from, unsigned offset, uint32_t bits)
{
    for (int i = MAX(from, 0); i < (int)model->write_count; i++) {
        if (model->writes[i].offset == offset && (model->writes[i].value & bits) == bits)
            return i;
    }
    return -1;
}

static void model_write(void *argument, unsigned offset, unsigned width, uint32_t value)
{
    struct e1000_model *model = argument;
    access_check(model, offset, width);
    if (model->write_count < E1000_MODEL_WRITES) {
        model->writes[model->write_count].offset = offset;
        model->writes[model->write_count++].value = value;
    }
    if (model->gone)
        return;
    switch (offset) {
    case CTRL:
        *reg(model, CTRL) = value & ~RST;
        if (value & RST)
            reset(model);
        return;
    case EERD:
        *reg(model, EERD) = value;
        model->eeprom_left = model->eeprom_reads;
        return;
    case ICR:
        if (model->before_clear)
            model->before_clear(model);
        model->icr &= ~value;
        break;
    case ICS:
        model->icr |= value;
        break;
    case IMS:
        if (model->before_unmask)
            model->before_unmask(model);
        model->ims |= value;
        break;
    case IMC:
        model->ims &= ~value;
        break;
    case RCTL:
    case TCTL:
        control_write(model, offset, value);
        return;
    case RXCSUM:
        assert_false(*reg(model, RCTL) & ENABLE);
        *reg(model, offset) = value;
        return;
    default:
        if ((offset >= RDBAL && offset <= RDT) || (offset >= TDBAL && offset <= TDT))
            ring_write(model, offset, value);
        else
            *reg(model, offset) = value;
        return;
    }
    line_update(model);
}

void e1000_model_eeprom_fix(struct e1000_model *model)
{
    uint16_t sum = 0;
    for (unsigned i = 0; i < 63; i++)
        sum = (uint16_t)(sum + model->eeprom[i]);
    model->eeprom[63] = (uint16_t)(0xbaba - sum);
}

void e1000_model_clear(struct e1000_model *model)
{
    for (unsigned i = 0; i < model->sent_count; i++)
        host_memory_free(model->sent[i].bytes);
    model->sent_count = 0;
    free(model->pieces);
    model->pieces = NULL;
    model->pieces_length = 0;
}

void e1000_model_init(struct e1000_model *model, uintptr_t base, unsigned source, unsigned wire,
                      const uint8_t *mac)
{
    e1000_model_clear(model);
    memset(model, 0, sizeof(*model));
    model->source = source;
    model->wire = wire;
    for (size_t i = 0; i < ARRAY_SIZE(model->registers); i++)
        model->registers[i] = GARBAGE;
    *reg(model, CTRL) = *reg(model, RCTL) = *reg(model, TCTL) = 0;
    *reg(model, STATUS) = 0x80080783; /* as QEMU's, link up; E1K-INIT-5 */
    for (unsigned i = 0; i < 3; i++)
        model->eeprom[i] = (uint16_t)(mac[2 * i] | mac[2 * i + 1] << 8);
    model->eeprom[0x0d] = 0x100e;
    e1000_model_eeprom_fix(model);
    struct host_region region = {base, E1000_MODEL_SIZE, model, model_read, model_write};
    host_region_add(&region);
}
