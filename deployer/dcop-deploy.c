#include "deployer/verbs/main.h"

int main(int argc, char **argv)
{
    return deploy_main(argc, argv);
}
