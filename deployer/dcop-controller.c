#include "deployer/controller/controller.h"

int main(int argc, char **argv)
{
    return controller_main(argc, argv);
}
