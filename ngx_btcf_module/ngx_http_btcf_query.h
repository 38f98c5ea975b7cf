
/*
 * What _query and _query_args share: the parameters of a question.
 */


#ifndef _NGX_HTTP_BTCF_QUERY_H_INCLUDED_
#define _NGX_HTTP_BTCF_QUERY_H_INCLUDED_


#include "ngx_http_btcf.h"


/* what a client said, each at most once; len 0: not said */

typedef struct {
    ngx_str_t                   above;
    ngx_str_t                   below;
    ngx_str_t                   between;
    ngx_str_t                   level;
    ngx_str_t                   side;
} ngx_http_btcf_query_args_t;


/* a parameter that a question takes; a list of them ends with an empty name */

typedef struct {
    ngx_str_t                   name;
    size_t                      offset;     /* into the args */
    ngx_http_btcf_problem_e     problem;    /* of a value that is none */
} ngx_http_btcf_query_param_t;


/*
 * Each parameter at most once and with a value, unescaped into the request's
 * pool; any other name is refused. NGX_OK, or the status of the problem.
 */
ngx_int_t ngx_http_btcf_query_args(ngx_http_request_t *r,
    const ngx_http_btcf_query_param_t *params,
    ngx_http_btcf_query_args_t *args);

/* A decimal number as JSON has it, without sign and exponent; 0: it is none. */
ngx_uint_t ngx_http_btcf_query_number(const ngx_str_t *text, double *value);


#endif /* _NGX_HTTP_BTCF_QUERY_H_INCLUDED_ */
