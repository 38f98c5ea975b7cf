/* The verbs of btcf token. token.c has the manual. argv[0] is the verb's name; results as those of a command. */
#ifndef CMD_TOKEN_H
#define CMD_TOKEN_H

#include "core/base.h"

/* token_verify.c */
int token_verify(int argc, char **argv) BTCF_MUST_CHECK;
/* token_issue.c */
int token_issue_verb(int argc, char **argv) BTCF_MUST_CHECK;
int token_revoke_verb(int argc, char **argv) BTCF_MUST_CHECK;
int token_rotate_key_verb(int argc, char **argv) BTCF_MUST_CHECK;

#endif
