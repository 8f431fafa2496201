/* yaml-events FILE: lets libyaml parse a file and does nothing with it, which
 * is the least that any reader on libyaml can take. */
#include <stdio.h>
#include <stdlib.h>
#include <yaml.h>

int main(int argc, char **argv)
{
    FILE *file = argc == 2 ? fopen(argv[1], "re") : NULL;
    yaml_event_type_t type = YAML_NO_EVENT;
    yaml_parser_t parser;
    yaml_event_t event;
    size_t count = 0;

    if (!file || !yaml_parser_initialize(&parser))
        return EXIT_FAILURE;
    yaml_parser_set_input_file(&parser, file);
    for (; type != YAML_STREAM_END_EVENT; count++) {
        if (!yaml_parser_parse(&parser, &event))
            return EXIT_FAILURE;
        type = event.type;
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&parser);
    (void)fclose(file);
    printf("%zu\n", count);
    return EXIT_SUCCESS;
}
