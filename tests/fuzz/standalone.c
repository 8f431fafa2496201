/*
 * main() for a fuzz target where there is no libFuzzer: runs the target once
 * over every file named on the command line, so that each build proves that
 * the targets still compile and their seeds still pass.
 */
#include <stdio.h>
#include <stdlib.h>

#include "discovery/base/file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        CLEANUP_TEXT struct text input = TEXT_INIT;
        struct error err;

        if (file_read(argv[i], 1 << 20, &input, &err) < 0) {
            fprintf(stderr, "%s\n", err.text);
            return EXIT_FAILURE;
        }
        (void)LLVMFuzzerTestOneInput((const uint8_t *)text_str(&input), input.size);
    }
    printf("%d inputs\n", argc - 1);
    return EXIT_SUCCESS;
}
