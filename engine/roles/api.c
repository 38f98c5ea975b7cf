/* Role api: answers what nginx passes on by SCGI, one request at a time, as one of several processes that accept from the
 * same socket. The supervisor holds the socket, so a process that ends loses the request at hand and no other.
 */
#include "api/api.h"
#include "core/err.h"
#include "core/log.h"
#include "core/proc.h"
#include "http/server.h"
#include "roles/role.h"

#define WAIT_MS 1000

int api_run(const struct role_context *context)
{
    struct api api;
    struct http_server server = {.listen_fd = context->listen_fd, .routes = api_routes, .ctx = &api};

    api_init(&api, context->settings, context->id);
    role_ready(context);
    while (!role_is_stopping()) {
        int fd = http_server_accept(&server, proc_wake_fd(), WAIT_MS);

        proc_wake_clear();
        role_beat(context);
        if (fd >= 0)
            http_server_serve(&server, fd);
    }
    api_release(&api);
    return 0;
}
