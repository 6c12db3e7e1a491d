/* The client of the control socket: vibevmm ctl PATH COMMAND... */
#ifndef VIBE_CLI_CTL_H
#define VIBE_CLI_CTL_H

/* argv: the words behind "ctl". Prints the answer. Returns the exit status: 0; 1 with what the VM said, or that there is none; 2 with what is wrong in the
 * words. */
int ctl(int argc, char **argv);

#endif
