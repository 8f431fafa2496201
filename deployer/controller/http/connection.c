#include <stdlib.h>
#include <sys/socket.h>

#include "server-private.h"

static void end_client(struct client *client)
{
    (void)shutdown(client->fd, SHUT_RDWR);
    client->ended = true;
}

/* If too many clients wait, ends the one that has been idle longest. */
static void make_room(struct http *h)
{
    struct client *oldest = NULL;
    unsigned waiting = 0;

    for (struct client *client = h->clients; client; client = client->next) {
        if (!client->since_ms || client->ended)
            continue;
        waiting++;
        if (!oldest || client->since_ms <= oldest->since_ms) /* the newest is first in the list */
            oldest = client;
    }
    if (oldest && waiting > HTTP_WAITING_MAX)
        end_client(oldest);
}

void http_on_connection(void *arg, struct MHD_Connection *connection, void **context,
                        enum MHD_ConnectionNotificationCode code)
{
    struct http *h = arg;
    struct client *client = *context;

    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        const union MHD_ConnectionInfo *info =
            MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);

        h->counts.connections++;
        client = calloc(1, sizeof(*client));
        if (!client || !info) {
            free(client);
            return;
        }
        *client = (struct client){.http = h, .next = h->clients, .at = &h->clients};
        client->fd = info->connect_fd;
        client->since_ms = http_now_ms(h);
        if (client->next)
            client->next->at = &client->next;
        h->clients = client;
        *context = client;
        make_room(h);
        return;
    }
    h->counts.connections--;
    if (!client)
        return;
    if (client->next)
        client->next->at = client->at;
    *client->at = client->next;
    free(client);
    *context = NULL;
}

/* MHD's timeout starts again with each byte: a client that sends a byte now and then is
 * ended here. */
int http_on_sweep(sd_event_source *source, uint64_t usec, void *arg)
{
    struct http *h = arg;
    uint64_t now = http_now_ms(h);
    static const uint64_t beats = HTTP_HEARTBEAT_MS / HTTP_SWEEP_MS;

    for (struct client *client = h->clients; client; client = client->next)
        if (client->since_ms && !client->ended && now - client->since_ms > HTTP_REQUEST_MS)
            end_client(client);
    if (usec / 1000 / HTTP_SWEEP_MS % beats == 0)
        http_wake_all(h, true);
    (void)sd_event_source_set_time(source,
                                   (usec / 1000 / HTTP_SWEEP_MS + 1) * HTTP_SWEEP_MS * 1000);
    return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}
