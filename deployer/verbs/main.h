/*
 * The program dcop-deploy, all but its main(): verbs, what they print, and the
 * exit codes of all programs (0 done, 1 the answer is no, 2 bad input, 3 not here).
 */
#pragma once

int deploy_main(int argc, char **argv);
