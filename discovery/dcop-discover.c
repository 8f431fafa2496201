#include "discovery/cli/discover.h"

int main(int argc, char **argv)
{
    return discover_main(argc, argv);
}
