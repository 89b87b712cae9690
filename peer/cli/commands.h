/* commands.h - the subcommands. Each runs to its end and returns the exit code. */
#ifndef COMMANDS_H
#define COMMANDS_H

#include "options.h"

#include <stdint.h>

/* `started_ns`: clock_now() at the program's start, from which events count their t_ms. */
int chat_main(const struct options *options, uint64_t started_ns);
int pipe_main(const struct options *options, uint64_t started_ns);
int send_main(const struct options *options, uint64_t started_ns);
int receive_main(const struct options *options, uint64_t started_ns);
int ping_main(const struct options *options, uint64_t started_ns);
int echo_main(const struct options *options, uint64_t started_ns);
int forward_main(const struct options *options, uint64_t started_ns);
int code_main(const struct options *options, uint64_t started_ns);
int doctor_main(const struct options *options, uint64_t started_ns);
int explain_main(const struct options *options, uint64_t started_ns);
int stun_server_main(const struct options *options, uint64_t started_ns);

#endif
