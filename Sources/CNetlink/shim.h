// libnl-3 and libnl-route-3: what Swift sees of them.
#ifndef UNDERSTUDY_CNETLINK_H
#define UNDERSTUDY_CNETLINK_H
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>
#include <netlink/cache.h>
#include <netlink/route/addr.h>
#include <netlink/route/link.h>
#endif
