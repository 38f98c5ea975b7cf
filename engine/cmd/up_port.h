/* The TCP port that `btcf up` serves on: is it free, who has it, does it answer. */
#ifndef CMD_UP_PORT_H
#define CMD_UP_PORT_H

#include "core/base.h"

/* 0 when it can be bound; E_CONFLICT when it is taken, naming the process where the kernel lets us see it, E_DENIED
 * when ordinary accounts may not have it, E_INPUT when `host` is no address of this machine; each with the remedy. */
int up_port_check(const char *host, int port) BTCF_MUST_CHECK;

/* Somebody accepts connections there. */
bool up_port_answers(const char *host, int port);

/* Status of `GET path` there, with an API key unless it is NULL; 0 when there is no answer within timeout_ms. */
int up_port_get(const char *host, int port, const char *path, const char *api_key, int64_t timeout_ms);

#endif
