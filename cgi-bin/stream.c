/* stream.fcgi: the bytes. */
#include "common.h"
#include "http/route.h"

int main(int argc, char **argv)
{
    return door_main(argc, argv, "stream.fcgi", HTTP_ROUTE_STREAM);
}
