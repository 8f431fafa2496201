#include "http.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "discovery/base/cleanup.h"
#include "discovery/base/file.h"

enum { SYSTEM_UID_MAX = 999, TABLE_MAX = 16 * 1024 * 1024, LISTENING = 0x0A };

static struct sockaddr_in address_of(uint16_t port)
{
    return (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

/* What libcurl's callbacks of one request share. */
struct exchange {
    uint16_t port;
    struct text body;
    size_t size; /* of headers and body */
    bool has_head;
    int failure; /* -errno of a callback that stopped the exchange */
};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static CURLcode ready;

static void start_libcurl(void)
{
    ready = curl_global_init(CURL_GLOBAL_DEFAULT);
}

/* libcurl's own socket would be open in the children that another thread starts. */
static curl_socket_t open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *to)
{
    struct exchange *x = arg;
    struct sockaddr_in address = address_of(x->port);
    int fd;

    if (purpose != CURLSOCKTYPE_IPCXN || to->addrlen != sizeof(address)) {
        x->failure = -EADDRNOTAVAIL;
        return CURL_SOCKET_BAD;
    }
    memcpy(&to->addr, &address, sizeof(address));
    fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        x->failure = -errno;
    return fd;
}

static bool fits(struct exchange *x, size_t more)
{
    x->size += more;
    if (x->size <= CACHE_HTTP_MAX)
        return true;
    x->failure = -EFBIG;
    return false;
}

static size_t take_header(char *bytes, size_t unit, size_t count, void *arg)
{
    struct exchange *x = arg;
    size_t size = unit * count;

    x->has_head = x->has_head || *bytes == '\r' || *bytes == '\n'; /* the empty line */
    return fits(x, size) ? size : 0;
}

static size_t take_body(char *bytes, size_t unit, size_t count, void *arg)
{
    struct exchange *x = arg;
    size_t size = unit * count;

    if (!fits(x, size))
        return 0;
    text_add(&x->body, bytes, size);
    x->failure = text_error(&x->body);
    return x->failure < 0 ? 0 : size;
}

static void clear_handle(CURL **curl)
{
    curl_easy_cleanup(*curl);
}

static void clear_headers(struct curl_slist **headers)
{
    for (struct curl_slist *i = *headers; i; i = i->next)
        sodium_memzero(i->data, strlen(i->data)); /* there may be a password in it */
    curl_slist_free_all(*headers);
}

static int add_header(struct curl_slist **to, const char *header)
{
    struct curl_slist *more = curl_slist_append(*to, header);

    *to = more ? more : *to;
    return more ? 0 : -ENOMEM;
}

static int make_headers(const struct cache_request *request, struct curl_slist **ret)
{
    int r = add_header(ret, "Accept: application/json, */*");

    if (r == 0)
        r = add_header(ret, "Connection: close");
    if (r == 0 && request->header)
        r = add_header(ret, request->header);
    if (r == 0 && request->body)
        r = add_header(ret, "Content-Type: application/json");
    return r;
}

/* By default, libcurl uses no cookies and no .netrc and follows no redirect, but it uses the
 * proxy of the environment, so that is switched off. */
static int set_up(CURL *curl, const struct cache_request *request, const char *url,
                  const struct curl_slist *headers, struct exchange *x)
{
    int failed = 0;

    failed |= (int)curl_easy_setopt(curl, CURLOPT_URL, url);
    failed |= (int)curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);
    failed |= (int)curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http");
    failed |= (int)curl_easy_setopt(curl, CURLOPT_PROXY, "");
    failed |= (int)curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
    failed |= (int)curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    /* For libcurl, 0 means no timeout. */
    failed |= (int)curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS,
                                    request->timeout_ms > 0 ? (long)request->timeout_ms : 1L);
    failed |= (int)curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_0);
    failed |= (int)curl_easy_setopt(curl, CURLOPT_OPENSOCKETFUNCTION, open_socket);
    failed |= (int)curl_easy_setopt(curl, CURLOPT_OPENSOCKETDATA, x);
    failed |= (int)curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, take_header);
    failed |= (int)curl_easy_setopt(curl, CURLOPT_HEADERDATA, x);
    failed |= (int)curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body);
    failed |= (int)curl_easy_setopt(curl, CURLOPT_WRITEDATA, x);
    failed |= (int)curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    if (request->body)
        failed |= (int)curl_easy_setopt(curl, CURLOPT_POSTFIELDS, request->body);
    if (request->method)
        failed |= (int)curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, request->method);
    return failed ? -ENOMEM : 0;
}

/* The HTTP status, or a negative errno. */
static int read_result(CURL *curl, CURLcode code, const struct exchange *x)
{
    long status = 0, error = 0;

    if (x->failure < 0)
        return x->failure;
    if (code == CURLE_OK)
        return curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status) == CURLE_OK &&
                       x->has_head && status >= 100 && status <= 999
                   ? (int)status
                   : -EBADMSG;
    if (code == CURLE_OUT_OF_MEMORY)
        return -ENOMEM;
    if (code == CURLE_OPERATION_TIMEDOUT)
        return -ETIMEDOUT;
    if (code == CURLE_COULDNT_CONNECT || code == CURLE_SEND_ERROR || code == CURLE_RECV_ERROR) {
        (void)curl_easy_getinfo(curl, CURLINFO_OS_ERRNO, &error);
        if (error > 0)
            return -(int)error;
        if (code != CURLE_RECV_ERROR) /* without an error of the socket: too many headers */
            return code == CURLE_COULDNT_CONNECT ? -ECONNREFUSED : -ECONNRESET;
    }
    return code == CURLE_PARTIAL_FILE ? -ECONNRESET : -EBADMSG;
}

int cache_http(const struct cache_request *request, struct text *ret_body)
{
    struct exchange x = {.port = request->port, .body = TEXT_INIT};
    CLEANUP(clear_headers) struct curl_slist *headers = NULL;
    CLEANUP(clear_handle) CURL *curl = NULL;
    CLEANUP_FREE char *url = NULL;
    int r;

    (void)pthread_once(&once, start_libcurl);
    if (ready != CURLE_OK || !(curl = curl_easy_init()))
        return -ENOMEM;
    if (asprintf(&url, "http://127.0.0.1:%u%s", request->port, request->path) < 0) {
        url = NULL;
        return -ENOMEM;
    }
    r = make_headers(request, &headers);
    if (r == 0)
        r = set_up(curl, request, url, headers, &x);
    if (r == 0)
        r = read_result(curl, curl_easy_perform(curl), &x);
    if (r >= 0) {
        text_add(ret_body, text_str(&x.body), x.body.size);
        r = text_error(ret_body) < 0 ? -ENOMEM : r;
    }
    text_wipe(&x.body);
    return r;
}

bool cache_port_is_free(uint16_t port)
{
    struct sockaddr_in address = address_of(port);
    CLEANUP_CLOSE int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int on = 1;

    /* As the services do: old connections in TIME_WAIT do not block the port. */
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    return fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0 &&
           listen(fd, 1) == 0;
}

bool cache_port_is_trusted(uint16_t port)
{
    static const char *const tables[] = {"/proc/net/tcp", "/proc/net/tcp6"};
    bool found = false;

    for (size_t i = 0; i < ARRAY_SIZE(tables); i++) {
        CLEANUP_TEXT struct text table = TEXT_INIT;

        if (file_read(tables[i], TABLE_MAX, &table, NULL) < 0)
            continue;
        for (const char *line = text_str(&table); line && *line;) {
            unsigned local, state, uid;

            /* sl local_address rem_address st tx:rx tr:when retrnsmt uid (proc(5)) */
            if (sscanf(line, " %*u: %*[0-9A-Fa-f]:%x %*[0-9A-Fa-f]:%*x %x %*s %*s %*s %u", &local,
                       &state, &uid) == 3 &&
                local == port && state == LISTENING) {
                if (uid > SYSTEM_UID_MAX && uid != geteuid())
                    return false;
                found = true;
            }
            line = strchr(line, '\n');
            line = line ? line + 1 : NULL;
        }
    }
    return found;
}
