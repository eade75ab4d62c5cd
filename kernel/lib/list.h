/* Intrusive doubly-linked lists. A node lies inside the object it links; LIST_ENTRY leads back.
 * A node that is on no list points to itself, so list_remove() of an unlinked node is harmless and
 * list_is_linked() can be asked. Whoever owns the list owns its lock: nothing here locks. */
#ifndef LIB_LIST_H
#define LIB_LIST_H

#include "lib/types.h"

struct list_node {
    struct list_node *next, *prev;
};

struct list {
    struct list_node head; /* head.next is the first node; the head is its own end mark */
};

#define LIST_INITIALIZER(name)                                                                     \
    {                                                                                              \
        {                                                                                          \
            &(name).head, &(name).head                                                             \
        }                                                                                          \
    }
#define LIST_ENTRY(node, type, member) CONTAINER_OF(node, type, member)

/* Walks a list that the body does not change. */
#define LIST_FOR_EACH(node, list)                                                                  \
    for (struct list_node *node = (list)->head.next; node != &(list)->head; node = node->next)

/* Walks a list whose body may remove the node it stands on. */
#define LIST_FOR_EACH_SAFE(node, following, list)                                                  \
    for (struct list_node *node = (list)->head.next, *following = node->next;                      \
         node != &(list)->head; node = following, following = node->next)

static inline void list_node_init(struct list_node *node) { node->next = node->prev = node; }
static inline void list_init(struct list *list) { list_node_init(&list->head); }
static inline bool list_empty(const struct list *list) { return list->head.next == &list->head; }
static inline bool list_is_linked(const struct list_node *node) { return node->next != node; }

/* Links `node` behind `place`, which is a node of the list or its head. */
static inline void list_insert_after(struct list_node *place, struct list_node *node)
{
    node->prev = place;
    node->next = place->next;
    place->next->prev = node;
    place->next = node;
}

static inline void list_push_back(struct list *list, struct list_node *node)
{
    list_insert_after(list->head.prev, node);
}

static inline void list_push_front(struct list *list, struct list_node *node)
{
    list_insert_after(&list->head, node);
}

static inline void list_remove(struct list_node *node)
{
    node->prev->next = node->next;
    node->next->prev = node->prev;
    list_node_init(node);
}

/* The first node, left where it is; NULL if there is none. */
static inline struct list_node *list_front(const struct list *list)
{
    return list_empty(list) ? NULL : list->head.next;
}

/* Takes the first node off, which goes to another list, or to none for good: its own links stay as they are.
 * NULL: there is none. */
static inline struct list_node *list_take_front(struct list *list)
{
    struct list_node *node = list->head.next;
    if (node == &list->head)
        return NULL;
    list->head.next = node->next;
    node->next->prev = &list->head;
    return node;
}

/* The same; the node is on no list then. */
static inline struct list_node *list_pop_front(struct list *list)
{
    struct list_node *node = list_take_front(list);
    if (node)
        list_node_init(node);
    return node;
}

/* Moves everything on `from` behind `place`, which is a node of another list or its head. */
static inline void list_splice_after(struct list_node *place, struct list *from)
{
    if (list_empty(from))
        return;
    struct list_node *first = from->head.next, *last = from->head.prev, *next = place->next;
    place->next = first;
    first->prev = place;
    last->next = next;
    next->prev = last;
    list_init(from);
}

/* Moves the nodes of `from` up to `last`, which is one of them, to the end of `to`. */
static inline void list_move_front(struct list *to, struct list *from, struct list_node *last)
{
    struct list_node *first = from->head.next, *place = to->head.prev;
    from->head.next = last->next;
    last->next->prev = &from->head;
    place->next = first;
    first->prev = place;
    last->next = &to->head;
    to->head.prev = last;
}

/* Takes off all that lies before `node`, one of the list's or its head, and does not look at what it
 * takes. */
static inline void list_drop_before(struct list *list, struct list_node *node)
{
    list->head.next = node;
    node->prev = &list->head;
}

/* Moves everything on `from` to the end of `to`, or to its front. */
static inline void list_splice_back(struct list *to, struct list *from)
{
    list_splice_after(to->head.prev, from);
}

static inline void list_splice_front(struct list *to, struct list *from)
{
    list_splice_after(&to->head, from);
}

#endif
