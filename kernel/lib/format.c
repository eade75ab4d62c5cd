/* printf-style formatting (C99, 7.19.6.1 without floating point), for the kernel and for user
 * programs.
 *
 * format() reads the text directive by directive: read_directive() collects flags, width, precision
 * and length of one conversion, then one of the emit_ functions produces its characters. An unknown
 * conversion is printed as it stands, so that a mistake in a format is seen and does no harm.
 */
#include "lib/format.h"
#include "lib/string.h"

/* Where the characters go, and the arguments that are left. va_list lies in a structure because its
 * address is passed on, which C does not allow for one that is a parameter. */
struct formatter {
    void (*put)(void *context, char c);
    void *context;
    int count;
    va_list args;
};

/* One conversion: % flags width .precision length specifier. */
struct directive {
    bool left, zero, plus, alternative; /* - 0 + # */
    int width;
    int precision; /* -1: none given */
    int bytes;     /* size of an integer argument */
    char specifier;
};

/* Every character goes through here, so the count is right whatever the sink keeps. */
static void emit(struct formatter *f, char c)
{
    f->put(f->context, c);
    f->count++;
}

static void emit_bytes(struct formatter *f, const char *bytes, int n)
{
    for (int i = 0; i < n; i++)
        emit(f, bytes[i]);
}

static void emit_repeated(struct formatter *f, char c, int times)
{
    while (times-- > 0)
        emit(f, c);
}

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

/* A number in the format itself, or * for the next argument. */
static int read_number(struct formatter *f, const char **fmt)
{
    int n = 0;

    if (**fmt == '*') {
        ++*fmt;
        return va_arg(f->args, int);
    }
    for (; is_digit(**fmt); ++*fmt)
        n = n * 10 + (**fmt - '0');
    return n;
}

/* Flags may come in any order and more than once. */
static bool read_flag(struct directive *d, char c)
{
    switch (c) {
    case '-':
        return d->left = true;
    case '0':
        return d->zero = true;
    case '+':
        return d->plus = true;
    case '#':
        return d->alternative = true;
    default:
        return false;
    }
}

/* h and l halve and double the size of an int; the standard's types behind z and t are long here.
 */
static int read_length(const char **fmt)
{
    int bytes = sizeof(int);

    for (;; ++*fmt) {
        if (**fmt == 'h')
            bytes /= 2;
        else if (**fmt == 'l' || **fmt == 'z' || **fmt == 't')
            bytes = sizeof(long);
        else
            return bytes;
    }
}

/* Reads what follows a % and moves *fmt behind it. */
static struct directive read_directive(struct formatter *f, const char **fmt)
{
    struct directive d = {.precision = -1};

    while (read_flag(&d, **fmt))
        ++*fmt;
    d.width = read_number(f, fmt);
    if (d.width < 0) { /* C99: a negative width argument is a - flag and a width */
        d.left = true;
        d.width = -d.width;
    }
    if (**fmt == '.') {
        ++*fmt;
        d.precision = read_number(f, fmt);
    }
    d.bytes = read_length(fmt);
    d.specifier = **fmt;
    if (d.specifier)
        ++*fmt;
    return d;
}

/* What is shorter than an int is passed as one (C99, 6.5.2.2) and cut again here. */
static uint64_t read_unsigned(struct formatter *f, int bytes)
{
    if (bytes == sizeof(long))
        return va_arg(f->args, unsigned long);
    unsigned value = va_arg(f->args, unsigned);
    return bytes >= (int)sizeof(int) ? value : value & ((1u << (8 * bytes)) - 1);
}

/* The same, with the sign of the short type. */
static int64_t read_signed(struct formatter *f, int bytes)
{
    if (bytes == sizeof(long))
        return va_arg(f->args, long);
    int value = va_arg(f->args, int);
    if (bytes == sizeof(short))
        return (short)value;
    return bytes == sizeof(char) ? (signed char)value : value;
}

/* Puts text into its field: blanks on one side of it. */
static void emit_text(struct formatter *f, const struct directive *d, const char *text, int length)
{
    int padding = d->width - length;

    if (!d->left)
        emit_repeated(f, ' ', padding);
    emit_bytes(f, text, length);
    if (d->left)
        emit_repeated(f, ' ', padding);
}

/* Puts a number into its field: [blanks] prefix [zeros] digits [blanks]. */
static void emit_number(struct formatter *f, const struct directive *d, uint64_t value,
                        unsigned base, const char *prefix)
{
    const char *symbols = d->specifier == 'X' ? "0123456789ABCDEF" : "0123456789abcdef";
    char digits[22]; /* 2^64 has 22 octal digits */
    int first = sizeof(digits), prefix_length = (int)strlen(prefix);

    /* The value 0 with precision 0 has no digits. */
    for (; value > 0 || (first == sizeof(digits) && d->precision != 0); value /= base)
        digits[--first] = symbols[value % base];

    int length = (int)sizeof(digits) - first;
    int zeros = d->precision - length;
    if (d->zero && !d->left && d->precision < 0)
        zeros = d->width - prefix_length - length;
    if (zeros < 0)
        zeros = 0;
    int padding = d->width - prefix_length - zeros - length;

    if (!d->left)
        emit_repeated(f, ' ', padding);
    emit_bytes(f, prefix, prefix_length);
    emit_repeated(f, '0', zeros);
    emit_bytes(f, digits + first, length);
    if (d->left)
        emit_repeated(f, ' ', padding);
}

/* The magnitude is computed unsigned, so that the smallest number does not overflow. */
static void emit_signed(struct formatter *f, const struct directive *d)
{
    int64_t value = read_signed(f, d->bytes);
    uint64_t magnitude = value < 0 ? -(uint64_t)value : (uint64_t)value;

    emit_number(f, d, magnitude, 10, value < 0 ? "-" : d->plus ? "+" : "");
}

/* # makes an octal number begin with 0: by a precision that asks for one more digit, unless a
 * precision brings zeros anyway (C99, 7.19.6.1). Without one, a prefix does. */
static void emit_octal(struct formatter *f, struct directive d, uint64_t value)
{
    int digits = 0;

    for (uint64_t rest = value; rest > 0; rest /= 8)
        digits++;
    if (d.alternative && d.precision >= 0 && d.precision <= digits)
        d.precision = digits + 1;
    emit_number(f, &d, value, 8, d.alternative && d.precision < 0 && value != 0 ? "0" : "");
}

/* The # flag marks the base, except for the value 0. */
static void emit_unsigned(struct formatter *f, const struct directive *d)
{
    uint64_t value = read_unsigned(f, d->bytes);
    bool marked = d->alternative && value != 0;

    if (d->specifier == 'u')
        emit_number(f, d, value, 10, "");
    else if (d->specifier == 'o')
        emit_octal(f, *d, value);
    else
        emit_number(f, d, value, 16, !marked ? "" : d->specifier == 'X' ? "0X" : "0x");
}

/* Always with 0x, as in every message of the kernel. */
static void emit_pointer(struct formatter *f, const struct directive *d)
{
    emit_number(f, d, (uintptr_t)va_arg(f->args, void *), 16, "0x");
}

static void emit_string(struct formatter *f, const struct directive *d)
{
    const char *text = va_arg(f->args, const char *);

    if (text == NULL)
        text = "(null)";
    /* The precision also bounds the look for the end: the text need not have one. */
    size_t most = d->precision < 0 ? SIZE_MAX : (size_t)d->precision;
    emit_text(f, d, text, (int)strnlen(text, most));
}

/* A field of one character; 0 is one as well. */
static void emit_character(struct formatter *f, const struct directive *d)
{
    char c = (char)va_arg(f->args, int);
    emit_text(f, d, &c, 1);
}

/* `start` is where the directive's % stands and `end` the character behind it. */
static void emit_directive(struct formatter *f, const struct directive *d, const char *start,
                           const char *end)
{
    switch (d->specifier) {
    case 'd':
    case 'i':
        return emit_signed(f, d);
    case 'u':
    case 'o':
    case 'x':
    case 'X':
        return emit_unsigned(f, d);
    case 'p':
        return emit_pointer(f, d);
    case 's':
        return emit_string(f, d);
    case 'c':
        return emit_character(f, d);
    case '%':
        return emit(f, '%');
    default:
        return emit_bytes(f, start, (int)(end - start));
    }
}

/* The text between directives goes out as it is. */
int format(void (*put)(void *context, char c), void *context, const char *fmt, va_list args)
{
    struct formatter f = {.put = put, .context = context};
    va_copy(f.args, args);

    while (*fmt) {
        const char *start = fmt;
        if (*fmt++ != '%') {
            emit(&f, *start);
            continue;
        }
        struct directive d = read_directive(&f, &fmt);
        emit_directive(&f, &d, start, fmt);
    }
    va_end(f.args);
    return f.count;
}

/* The sink of vsnprintf: the bytes that fit, the last one kept for the closing 0. */
struct bounded_text {
    char *to;
    size_t size, length;
};

/* Counts on behind the end, because the caller is told the whole length. */
static void bounded_text_put(void *context, char c)
{
    struct bounded_text *text = context;

    if (text->length + 1 < text->size)
        text->to[text->length] = c;
    text->length++;
}

int vsnprintf(char *to, size_t size, const char *fmt, va_list args)
{
    struct bounded_text text = {.to = to, .size = size};
    int length = format(bounded_text_put, &text, fmt, args);

    if (size > 0)
        to[text.length < size ? text.length : size - 1] = 0;
    return length;
}

int snprintf(char *to, size_t size, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    int length = vsnprintf(to, size, fmt, args);
    va_end(args);
    return length;
}
