# SPDX-License-Identifier: Apache-2.0
pkgsysconf_DATA += etc/pointsman.conf
# The folder for what administrators and packages add; the file in it says how.
pkgsysconfddir = $(pkgsysconfdir)/conf.d
dist_pkgsysconfd_DATA = etc/conf.d/README
EXTRA_DIST += etc/pointsman.conf
# Configurations to begin with, for providers that have no plugin of their own.
examplesdir = $(docdir)/examples
dist_examples_DATA = etc/examples/mail.conf etc/examples/messaging.conf
