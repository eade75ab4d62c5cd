/* Header prediction: a shortcut through Ethernet, IP and UDP for datagrams whose headers are those of the one
 * before. After V. Jacobson, "4BSD header prediction" (Computer Communication Review, April 1990), who did it
 * for TCP.
 *
 * Each device has one prediction: the headers of the last plain datagram that UDP has accepted. What the
 * layers have found out about them (they are for us, their lengths fit) depends on nothing but them and the
 * addresses of our interfaces; when one of those changes, the prediction is forgotten. Which socket the
 * datagrams are for is looked up for each run of them.
 */
#ifndef NET_PREDICT_H
#define NET_PREDICT_H

#include "lib/list.h"

struct mbuf;
struct netdev;

/* The device's poll thread: hands all frames up, oldest first, each with its Ethernet header in front. The
 * list is empty then. */
void predict_input(struct netdev *dev, struct list *frames);

/* From UDP: this datagram is in order, and UDP's header in front of it. More like it are expected, if it came
 * plainly (MBUF_ETHER_PLAIN, MBUF_IP_PLAIN) and predict_input() is at work. */
void predict_learn(const struct netdev *dev, const struct mbuf *m);
/* It has no socket after all. */
void predict_forget(const struct netdev *dev);

#endif
