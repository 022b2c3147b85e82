// Package unit holds the systemd unit of fwknopd and the script that builds its Debian
// package. Its only code is the tests of both.
package unit
