// Package liveness finds out connections that are dead without a sign: the server's machine is
// gone, or something between has forgotten them and still takes what is sent. A limit for each
// statement would not do: one that works for an hour is silent for an hour. So whoever waits for
// a silent server asks it over another connection whether it is at work for this one.
//
// There is no TCP_USER_TIMEOUT: it also ends connections to a server that is there and is so
// busy that it does not read.
package liveness
