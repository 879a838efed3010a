/* info.fcgi: everything small: descriptions, the page without JavaScript, thumbnails, health. */
#include "common.h"
#include "http/route.h"

int main(int argc, char **argv)
{
    return door_main(argc, argv, "info.fcgi", HTTP_ROUTE_INFO);
}
