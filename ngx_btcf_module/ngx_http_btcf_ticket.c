
/*
 * Tickets: the one credential that may stand in a query, because a browser's
 * EventSource cannot send headers. Only where streams are served.
 *
 * A query ends up in logs: nginx itself writes the request line behind every
 * line of the error log. So the ticket is taken out of the request as soon as
 * its location is known, and its characters are overwritten wherever nginx
 * keeps them: in the request line, in the URI as it was sent, in the query.
 * Over HTTP/2 these are three buffers, over HTTP/1 one and the same.
 */


#include "ngx_http_btcf.h"


#define NGX_HTTP_BTCF_REDACTED  '*'


static ngx_uint_t ngx_http_btcf_next_ticket(u_char *p, u_char *last,
    ngx_str_t *ticket);
static void ngx_http_btcf_redact_tickets(const ngx_str_t *text);


static ngx_str_t  ngx_http_btcf_ticket_name = ngx_string("ticket=");


ngx_int_t
ngx_http_btcf_hide_ticket(ngx_http_request_t *r, ngx_http_btcf_ctx_t *ctx)
{
    u_char                    *last;
    ngx_str_t                  ticket;
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    if (r->args.len == 0
        || ctx->tickets
        || clcf->handler != ngx_http_btcf_stream_handler)
    {
        return NGX_OK;
    }

    last = r->args.data + r->args.len;

    for (ticket.data = r->args.data;
         ngx_http_btcf_next_ticket(ticket.data, last, &ticket);
         ticket.data += ticket.len)
    {
        ctx->tickets++;

        ctx->ticket.len = ticket.len;
        ctx->ticket.data = ngx_pstrdup(r->pool, &ticket);

        if (ctx->ticket.data == NULL) {
            return NGX_ERROR;
        }
    }

    if (ctx->tickets) {
        ngx_http_btcf_redact_tickets(&r->args);
        ngx_http_btcf_redact_tickets(&r->unparsed_uri);
        ngx_http_btcf_redact_tickets(&r->request_line);
    }

    return NGX_OK;
}


/* A parameter of that name between p and last: behind "?" or "&", or first. */

static ngx_uint_t
ngx_http_btcf_next_ticket(u_char *p, u_char *last, ngx_str_t *ticket)
{
    u_char  *end;
    size_t   len;

    len = ngx_http_btcf_ticket_name.len;

    for ( /* void */ ; (size_t) (last - p) >= len; p = end + 1) {

        for (end = p; end < last && *end != '&' && *end != '?'; end++) {
            if (*end == ' ') {
                break;
            }
        }

        if ((size_t) (end - p) >= len
            && ngx_memcmp(p, ngx_http_btcf_ticket_name.data, len) == 0)
        {
            ticket->data = p + len;
            ticket->len = end - ticket->data;
            return 1;
        }

        if (end == last) {
            break;
        }
    }

    return 0;
}


static void
ngx_http_btcf_redact_tickets(const ngx_str_t *text)
{
    u_char     *last;
    ngx_str_t   ticket;

    last = text->data + text->len;

    for (ticket.data = text->data;
         ngx_http_btcf_next_ticket(ticket.data, last, &ticket);
         ticket.data += ticket.len)
    {
        ngx_memset(ticket.data, NGX_HTTP_BTCF_REDACTED, ticket.len);
    }
}
