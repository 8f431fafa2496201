#include "beacon.h"

int main(int argc, char **argv)
{
    return beacon_main(argc, argv);
}
