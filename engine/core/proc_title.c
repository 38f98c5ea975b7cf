/* What ps shows of a process. The kernel reads a command line from the memory that argv and the environment came in,
 * so a title is written over that memory; whoever needs arguments or variables afterwards must have copies, and that
 * is what proc_title_init makes.
 *
 *     before   btcf\0engine\0--config\0b.conf\0HOME=/\0LANG=C\0...
 *     after    btcf: worker-heavy\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0...
 *
 * The kernel takes the end of argv for the end of the command line, unless the byte there is no longer a NUL: then it
 * reads on to the next one, into the environment. PR_SET_MM would move the bounds instead, but wants a capability.
 */
#include "core/proc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

/* The memory that a title may fill; size 0: proc_title_init was not called. */
static char *title_area;
static size_t title_size;

/* Copies a list of strings that ends with NULL into one block, so that nothing is lost when setenv forgets one of them.
 * *end moves behind its last string as long as they lie one behind the other, which is how the kernel lays them out. */
static char **copy_list(char **list, char **end)
{
    size_t count = 0, text_size = 0;

    for (; list[count] != NULL; count++)
        text_size += strlen(list[count]) + 1;
    char **copy = malloc((count + 1) * sizeof *copy + text_size);
    if (copy == NULL)
        abort();
    char *text = (char *)(copy + count + 1);
    for (size_t i = 0; i < count; i++) {
        size_t size = strlen(list[i]) + 1;

        if (list[i] == *end)
            *end += size;
        copy[i] = memcpy(text, list[i], size);
        text += size;
    }
    copy[count] = NULL;
    return copy;
}

char **proc_title_init(char **argv)
{
    static char **kept_argv, **kept_environ; /* reachable for good, as the process needs them for good */
    char *end = argv[0];

    if (argv[0] == NULL || title_size > 0)
        return argv;
    kept_argv = copy_list(argv, &end);
    kept_environ = copy_list(environ, &end);
    environ = kept_environ;
    title_area = argv[0];
    title_size = (size_t)(end - argv[0]);
    return kept_argv;
}

void proc_title_set(const char *name, const char *title)
{
    prctl(PR_SET_NAME, name);
    if (title_size == 0)
        return;
    memset(title_area, '\0', title_size);
    snprintf(title_area, title_size, "%s", title);
}
