/* The parts of nginx's configuration that the build embeds: conf/http.conf and conf/routes.conf, as they are in the
 * repository. `btcf up` writes them beside the nginx.conf that it generates. Made by cmd/embed.pl.
 */
#ifndef CMD_CONF_FILES_H
#define CMD_CONF_FILES_H

#include "core/base.h"

struct conf_file {
    const char *name; /* "routes.conf" */
    const char *text;
};

extern const struct conf_file conf_files[];
extern const size_t conf_files_count;

#endif
