/* admin.fcgi: what the admin pages ask. */
#include "common.h"
#include "http/route.h"

int main(int argc, char **argv)
{
    return door_main(argc, argv, "admin.fcgi", HTTP_ROUTE_ADMIN);
}
