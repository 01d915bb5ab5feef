# SPDX-License-Identifier: Apache-2.0
dbuspolicydir = $(datadir)/dbus-1/system.d
dist_dbuspolicy_DATA = dbus/org.pointsman.Pointsman1.conf
dbussystemservicesdir = $(datadir)/dbus-1/system-services
dist_dbussystemservices_DATA = dbus/org.pointsman.Pointsman1.service
