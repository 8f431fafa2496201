/* dcop-controller, the service.  Returns the exit code. */
#pragma once

int controller_main(int argc, char **argv);
