# SPDX-License-Identifier: Apache-2.0
dist_man_MANS += man/pointsmand.8
dist_man_MANS += man/pointsman.conf.5
dist_man_MANS += man/pointsman-prober.8
dist_man_MANS += man/pointsmanctl.1 man/pointsman.3 man/pointsman-plugin.3
dist_man_MANS += man/pointsman-snmp.8
dist_man_MANS += man/org.pointsman.routing.7

# Writes that page; see there. The page itself is in the tree, so that whoever installs need not make it.
noinst_PROGRAMS += man/interface-page
man_interface_page_SOURCES = man/interface-page.c
man_interface_page_CFLAGS = $(AM_CFLAGS) $(SYSTEMD_CFLAGS)
man_interface_page_LDADD = $(DAEMON_LIBS)
EXTRA_DIST += man/org.pointsman.routing.7.in man/org.pointsman.routing.words
