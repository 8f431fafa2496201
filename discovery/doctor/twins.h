/*
 * Two machines with one MAC address, as copies of a card, a virtual machine or a network card
 * have it.  Switches send what is meant for both to the one that has spoken last.
 *
 * One machine may have several addresses, and a router may answer for others: this is told
 * apart by ARP, where that is allowed.  Asked for one after the other, what is then sent to
 * that MAC address reaches only the one that has just answered.
 */
#pragma once

#include "view.h"

enum { TWINS_MAX = 8, /* pairs that are asked */ TWINS_MS = 2000 /* in all */ };

/* Fills in the MAC addresses that the kernel knows (/proc/net/arp, proc(5)) where ARP was not
 * asked, and `twin` and what belongs to it.  Blocks for TWINS_MS and one round of arp_cross. */
void twins_find(struct view_machine *machines, size_t n);
