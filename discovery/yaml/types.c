#include "types.h"

#include <string.h>
#include <strings.h>

#include "number.h"

#define DIGITS "0123456789"
#define TAG_PREFIX "tag:yaml.org,2002:"
#define UNSUPPORTED_TAG "has a tag that is not supported; remove the tag"

static const char *const type_words[] = {
    [YAML_TYPE_STRING] = "a string",     [YAML_TYPE_NULL] = "null",
    [YAML_TYPE_BOOL] = "a truth value",  [YAML_TYPE_INT] = "a number",
    [YAML_TYPE_FLOAT] = "a number",      [YAML_TYPE_TIME] = "a date",
    [YAML_TYPE_MERGE] = "the merge key", [YAML_TYPE_VALUE] = "the default-value key",
    [YAML_TYPE_BYTES] = "binary data",   [YAML_TYPE_OTHER] = "an object",
};

const char *yaml_type_words(enum yaml_type type)
{
    return type_words[type];
}

/* A text that is consumed from the front. */
struct scan {
    const char *at, *end;
};

static bool at_end(const struct scan *s)
{
    return s->at == s->end;
}

static bool peek_in(const struct scan *s, const char *set)
{
    return !at_end(s) && *s->at != '\0' && strchr(set, *s->at);
}

static bool take_char(struct scan *s, const char *set)
{
    if (!peek_in(s, set))
        return false;
    s->at++;
    return true;
}

/* Takes from `min` to `max` characters of the set. */
static bool take_some(struct scan *s, const char *set, size_t min, size_t max)
{
    size_t n = 0;

    while (n < max && take_char(s, set))
        n++;
    return n >= min;
}

static bool take_word(struct scan *s, const char *word)
{
    size_t n = strlen(word);

    if ((size_t)(s->end - s->at) < n || memcmp(s->at, word, n) != 0)
        return false;
    s->at += n;
    return true;
}

static bool is_one_of(const char *text, size_t size, const char *const *list)
{
    for (; *list; list++)
        if (strlen(*list) == size && memcmp(text, *list, size) == 0)
            return true;
    return false;
}

/* (?::[0-5]?[0-9])+ */
static bool take_sixties(struct scan *s)
{
    bool some = false;

    while (take_char(s, ":")) {
        bool small = peek_in(s, "012345");

        if (!take_char(s, DIGITS))
            return false;
        if (small)
            (void)take_char(s, DIGITS);
        some = true;
    }
    return some;
}

static bool is_int(struct scan s)
{
    (void)take_char(&s, "-+");
    if (take_word(&s, "0b"))
        return take_some(&s, "01_", 1, SIZE_MAX) && at_end(&s);
    if (take_word(&s, "0x"))
        return take_some(&s, DIGITS "abcdefABCDEF_", 1, SIZE_MAX) && at_end(&s);
    if (take_char(&s, "0"))
        return take_some(&s, "01234567_", 0, SIZE_MAX) && at_end(&s);
    if (!take_char(&s, "123456789"))
        return false;
    (void)take_some(&s, DIGITS "_", 0, SIZE_MAX);
    return at_end(&s) || (take_sixties(&s) && at_end(&s));
}

/* (?:[eE][-+][0-9]+)? at the end */
static bool ends_in_exponent(struct scan *s)
{
    if (at_end(s))
        return true;
    return take_char(s, "eE") && take_char(s, "-+") && take_some(s, DIGITS, 1, SIZE_MAX) &&
           at_end(s);
}

static bool is_float(struct scan s)
{
    static const char *const infinite[] = {".inf", ".Inf", ".INF", NULL};
    static const char *const not_numbers[] = {".nan", ".NaN", ".NAN", NULL};
    bool has_sign;

    if (is_one_of(s.at, (size_t)(s.end - s.at), not_numbers))
        return true;
    has_sign = take_char(&s, "-+");
    if (is_one_of(s.at, (size_t)(s.end - s.at), infinite))
        return true;
    if (take_char(&s, "."))
        return !has_sign && take_char(&s, DIGITS) && take_some(&s, DIGITS "_", 0, SIZE_MAX) &&
               ends_in_exponent(&s);
    if (!take_char(&s, DIGITS))
        return false;
    (void)take_some(&s, DIGITS "_", 0, SIZE_MAX);
    if (peek_in(&s, ":"))
        return take_sixties(&s) && take_char(&s, ".") && take_some(&s, DIGITS "_", 0, SIZE_MAX) &&
               at_end(&s);
    return take_char(&s, ".") && take_some(&s, DIGITS "_", 0, SIZE_MAX) && ends_in_exponent(&s);
}

struct timestamp {
    int year, month, day, hour, minute, second, zone_hour, zone_minute;
    bool short_date; /* a month or day of one digit */
    bool has_time;
};

static bool take_number(struct scan *s, size_t min, size_t max, int *ret)
{
    const char *start = s->at;

    if (!take_some(s, DIGITS, min, max))
        return false;
    *ret = 0;
    for (; start < s->at; start++)
        *ret = *ret * 10 + (*start - '0');
    return true;
}

static bool take_zone(struct scan *s, struct timestamp *t)
{
    (void)take_some(s, " \t", 0, SIZE_MAX);
    if (take_char(s, "Z"))
        return true;
    return take_char(s, "-+") && take_number(s, 1, 2, &t->zone_hour) &&
           (!take_char(s, ":") || take_number(s, 2, 2, &t->zone_minute));
}

static bool take_time(struct scan *s, struct timestamp *t)
{
    t->has_time = true;
    if (!take_char(s, "Tt") && !take_some(s, " \t", 1, SIZE_MAX))
        return false;
    if (!take_number(s, 1, 2, &t->hour) || !take_char(s, ":") ||
        !take_number(s, 2, 2, &t->minute) || !take_char(s, ":") ||
        !take_number(s, 2, 2, &t->second))
        return false;
    if (take_char(s, "."))
        (void)take_some(s, DIGITS, 0, SIZE_MAX);
    return at_end(s) || take_zone(s, t);
}

static bool parse_time(struct scan s, struct timestamp *ret)
{
    const char *start;

    *ret = (struct timestamp){0};
    if (!take_number(&s, 4, 4, &ret->year) || !take_char(&s, "-"))
        return false;
    start = s.at;
    if (!take_number(&s, 1, 2, &ret->month) || !take_char(&s, "-") ||
        !take_number(&s, 1, 2, &ret->day))
        return false;
    ret->short_date = s.at - start < 5;
    return at_end(&s) || (take_time(&s, ret) && at_end(&s));
}

static bool is_time(struct scan s)
{
    struct timestamp t;

    return parse_time(s, &t) && (t.has_time || !t.short_date);
}

/* datetime.date and similar types raise ValueError for dates that do not
 * exist. */
static bool time_exists(const struct timestamp *t)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (t->year % 4 == 0 && t->year % 100 != 0) || t->year % 400 == 0;

    if (t->year < 1 || t->month < 1 || t->month > 12 || t->day < 1)
        return false;
    if (t->day > days[t->month - 1] + (leap && t->month == 2))
        return false;
    return t->hour < 24 && t->minute < 60 && t->second < 60 &&
           t->zone_hour * 60 + t->zone_minute < 24 * 60;
}

static const char *const nulls[] = {"", "~", "null", "Null", "NULL", NULL};
static const char *const bools[] = {"yes",  "Yes",  "YES",   "no",    "No",    "NO", "true",
                                    "True", "TRUE", "false", "False", "FALSE", "on", "On",
                                    "ON",   "off",  "Off",   "OFF",   NULL};

/* Most texts are names: a letter or "_" in front, too long for a word. */
static bool is_surely_string(const char *text, size_t size)
{
    return size > 5 && (*text == '_' || ((*text | 0x20) >= 'a' && (*text | 0x20) <= 'z'));
}

enum yaml_type yaml_plain_type(const char *text, size_t size)
{
    struct scan s;

    if (is_surely_string(text, size) && text[size - 1] != '\n')
        return YAML_TYPE_STRING;
    if (size > 0 && text[size - 1] == '\n')
        size--; /* "$" of a Python regular expression matches before it */
    s = (struct scan){text, text + size};
    if (is_one_of(text, size, nulls))
        return YAML_TYPE_NULL;
    if (is_one_of(text, size, bools))
        return YAML_TYPE_BOOL;
    if (peek_in(&s, "-+." DIGITS)) {
        if (is_float(s))
            return YAML_TYPE_FLOAT;
        if (is_int(s))
            return YAML_TYPE_INT;
        return is_time(s) ? YAML_TYPE_TIME : YAML_TYPE_STRING;
    }
    if (size == 2 && memcmp(text, "<<", 2) == 0)
        return YAML_TYPE_MERGE;
    return size == 1 && *text == '=' ? YAML_TYPE_VALUE : YAML_TYPE_STRING;
}

/* PyYAML's regular expression accepts "0x_", int() does not. */
static bool int_has_digits(const char *text, size_t size)
{
    struct scan s = {text, text + size};

    (void)take_char(&s, "-+");
    if (!take_word(&s, "0b") && !take_word(&s, "0x"))
        return true;
    (void)take_some(&s, "_", 0, SIZE_MAX);
    return !at_end(&s);
}

static const char *check_value(enum yaml_type type, const char *text, size_t size)
{
    struct timestamp t;

    if (type == YAML_TYPE_INT && !int_has_digits(text, size))
        return "is a number without digits";
    if (type == YAML_TYPE_TIME &&
        (!parse_time((struct scan){text, text + size}, &t) || !time_exists(&t)))
        return "is not a valid date; quote it if it is text";
    return NULL;
}

/* As lenient as Python's base64.decodebytes: other characters are skipped, and
 * text after complete padding is ignored. */
static bool is_base64(const char *text, size_t size)
{
    static const char other[] = DIGITS "+/";
    unsigned place = 0, pads = 0;
    bool padded = false;

    for (size_t i = 0; i < size; i++) {
        char c = text[i], letter = (char)(c | 0x20);

        if ((unsigned char)c >= 0x80)
            return false;
        if (c == '=')
            padded |= place >= 2 && place + ++pads >= 4;
        else if (!padded && c && ((letter >= 'a' && letter <= 'z') || strchr(other, c))) {
            place = (place + 1) & 3;
            pads = 0;
        }
    }
    return padded || place == 0;
}

/* Numbers with ":" between them, of any size: the constructors take 12:60. */
static bool is_sixties(char *digits, bool whole)
{
    char *rest = digits, *piece;
    double d;

    while ((piece = strsep(&rest, ":")))
        if (!yaml_double(piece, &d) || (whole && strspn(piece, DIGITS) < strlen(piece)))
            return false;
    return true;
}

/* Texts that the constructors for tags accept, in addition to those that need
 * no tag. */
static bool tagged_value_fits(enum yaml_type type, const char *text, size_t size)
{
    static const char *const truths[] = {"yes", "no", "true", "false", "on", "off", NULL};
    struct scan s = {text, text + size};
    CLEANUP_FREE char *digits = NULL;
    struct timestamp t;
    bool negative;

    switch (type) {
    case YAML_TYPE_STRING:
    case YAML_TYPE_NULL:
    case YAML_TYPE_OTHER:
    case YAML_TYPE_MERGE:
    case YAML_TYPE_VALUE:
        return true;
    case YAML_TYPE_BYTES:
        return is_base64(text, size);
    case YAML_TYPE_TIME:
        return parse_time(s, &t);
    case YAML_TYPE_INT:
        if (is_int(s))
            return true;
        digits = yaml_digits(text, size, &negative);
        return digits && *digits != '0' && strchr(digits, ':') && is_sixties(digits, true);
    case YAML_TYPE_BOOL:
        for (const char *const *w = truths; *w; w++)
            if (strlen(*w) == size && strncasecmp(*w, text, size) == 0)
                return true;
        return false;
    case YAML_TYPE_FLOAT:
        if (is_float(s))
            return true;
        digits = yaml_digits(text, size, &negative);
        return digits && is_sixties(digits, false);
    }
    return false;
}

static const struct {
    const char *suffix;
    enum yaml_type type;
} scalar_tags[] = {
    {"str", YAML_TYPE_STRING},
    {"null", YAML_TYPE_NULL},
    {"bool", YAML_TYPE_BOOL},
    {"int", YAML_TYPE_INT},
    {"float", YAML_TYPE_FLOAT},
    {"binary", YAML_TYPE_BYTES},
    {"timestamp", YAML_TYPE_TIME},
    {"merge", YAML_TYPE_MERGE},
    {"value", YAML_TYPE_VALUE},
    {"python/none", YAML_TYPE_NULL},
    {"python/bool", YAML_TYPE_BOOL},
    {"python/str", YAML_TYPE_STRING},
    {"python/unicode", YAML_TYPE_STRING},
    {"python/bytes", YAML_TYPE_BYTES},
    {"python/int", YAML_TYPE_INT},
    {"python/long", YAML_TYPE_INT},
    {"python/float", YAML_TYPE_FLOAT},
    {"python/complex", YAML_TYPE_OTHER},
};

static const char *const list_tags[] = {"seq",         "omap",         "pairs",
                                        "python/list", "python/tuple", NULL};
static const char *const map_tags[] = {"map", "set", "python/dict", NULL};

static const char *suffix_of(const char *tag)
{
    size_t n = sizeof(TAG_PREFIX) - 1;

    return strncmp(tag, TAG_PREFIX, n) == 0 ? tag + n : "";
}

const char *yaml_scalar_type(const struct yaml_item *item, enum yaml_type *ret)
{
    const char *suffix;

    if (!item->tag) {
        *ret = item->plain ? yaml_plain_type(item->text, item->size) : YAML_TYPE_STRING;
        return check_value(*ret, item->text, item->size);
    }
    suffix = suffix_of(item->tag);
    for (size_t i = 0; i < ARRAY_SIZE(scalar_tags); i++)
        if (strcmp(scalar_tags[i].suffix, suffix) == 0) {
            *ret = scalar_tags[i].type;
            if (!tagged_value_fits(*ret, item->text, item->size))
                return "does not fit its tag; correct it or remove the tag";
            return check_value(*ret, item->text, item->size);
        }
    *ret = YAML_TYPE_OTHER;
    if (strncmp(suffix, "python/name:", 12) == 0 && item->size == 0)
        return NULL;
    return UNSUPPORTED_TAG;
}

const char *yaml_collection_check(const struct yaml_item *item)
{
    const char *const *tags = item->kind == YAML_KIND_LIST ? list_tags : map_tags;
    const char *suffix;

    if (!item->tag)
        return NULL;
    suffix = suffix_of(item->tag);
    return is_one_of(suffix, strlen(suffix), tags) ? NULL : UNSUPPORTED_TAG;
}

void yaml_add_tag(struct text *ret, const char *tag)
{
    const char *suffix = suffix_of(tag);

    if (*suffix) {
        text_adds(ret, "!!");
        text_add_shown(ret, suffix);
    } else if (*tag == '!')
        text_add_shown(ret, tag);
    else {
        text_adds(ret, "!<");
        text_add_shown(ret, tag);
        text_addc(ret, '>');
    }
}

bool yaml_is_tuple(const struct yaml_item *item)
{
    return item->tag && strcmp(suffix_of(item->tag), "python/tuple") == 0;
}

bool yaml_is_other(const struct yaml_item *item)
{
    static const char *const others[] = {"set", "omap", "pairs", NULL};
    const char *suffix = item->tag ? suffix_of(item->tag) : "";

    return is_one_of(suffix, strlen(suffix), others);
}
