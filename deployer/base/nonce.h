/*
 * 128 random bits in hexadecimal: a run's nonce, its token, its id.
 */
#pragma once

enum { NONCE_LENGTH = 32 };

/* -EIO: the system gives no random numbers. */
int nonce_make(char ret[static NONCE_LENGTH + 1]);
