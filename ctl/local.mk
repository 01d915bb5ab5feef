# The command line. All but main() is a library, for the tests.
noinst_LIBRARIES += ctl/libpointsmanctl.a
ctl_libpointsmanctl_a_SOURCES = \
	ctl/cmd-audit.c \
	ctl/cmd-complete.c \
	ctl/cmd-config.c \
	ctl/cmd-exec.c \
	ctl/cmd-manage.c \
	ctl/cmd-object.c \
	ctl/cmd-route.c \
	ctl/cmd-status.c \
	ctl/cmd-stream.c \
	ctl/cmd-top.c \
	ctl/commands.c \
	ctl/ctl.c ctl/ctl.h \
	ctl/format.c \
	ctl/help.c \
	ctl/options.c \
	ctl/table.c ctl/table.h \
	ctl/text.c ctl/text.h \
	ctl/views.h
ctl_libpointsmanctl_a_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
CTL_LIBS = ctl/libpointsmanctl.a lib/libpointsman-client.la $(DAEMON_LIBS) $(JANSSON_LIBS)

bin_PROGRAMS += ctl/pointsmanctl
ctl_pointsmanctl_SOURCES = ctl/main.c
ctl_pointsmanctl_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
ctl_pointsmanctl_LDADD = $(CTL_LIBS)

# Both shells look for a file that is named after the command.
bashcompletiondir = $(datadir)/bash-completion/completions
dist_bashcompletion_DATA = ctl/completion/pointsmanctl
zshcompletiondir = $(datadir)/zsh/site-functions
dist_zshcompletion_DATA = ctl/completion/_pointsmanctl
