// Package fingerprint names the operating system that sent a SYN, the way p0f
// version 2 does: a text file of signatures, each a pattern over window, TTL,
// don't-fragment bit, length, option layout and quirks. It knows nothing of
// stanzas and does no I/O; the signature file of this project is embedded.
//
// Entry points: [Load] or [Default], then [NewMatcher] and [Matcher.Match].
//
// # What is fingerprinted
//
// TCP segments with SYN and none of ACK, RST and FIN, that are not one fragment
// of several. PSH and URG do not disqualify one (they are quirk F), nor do ECE
// and CWR (a SYN that offers ECN). The options must be known: a log line without
// OPT whose length leaves room for options fits no signature.
//
// An IPv6 SYN is matched by its IPv4 equivalent: its length less 20, hop limit
// for TTL; there is no don't-fragment bit and no identification, so any DF fits
// and quirk Z is unknown.
//
// # Signatures
//
//	window:ttl:df:size:options:[quirks:] label
//
//	window   number, * any, %n multiple of n, Sn MSS×n, Tn (MSS+40)×n
//	ttl      initial TTL; a packet fits with ttl-maxHops < TTL <= ttl, or with any
//	         TTL up to it if a minus follows
//	df       1, 0 or * for the don't-fragment bit
//	size     bytes of the whole packet: number, * any, %n
//	options  comma list in wire order, . for none:
//	         N NOP, S SACK permitted, T time stamp (T0: zero),
//	         M* Mn M%n maximum segment size, W* Wn W%n window scale,
//	         ?n any other kind n, E end of list
//	quirks   oddities that must all be there, and no other; . for none; and
//	         conditions
//	label    genre:version:subtype:description; with all four parts it may follow
//	         the last colon at once
//
// Of signatures that differ in nothing but the TTL, the one nearest above a packet's
// fits; of guesses also if their labels differ.
//
// The layout is exact. Zero bytes that fill the options up to the next multiple
// of four may follow the last one spelled; if the signature spells E they must be
// there: one E stands for the end of the list and whatever follows it (quirk P
// tells), several for exactly so many zero bytes.
//
// Quirks are P bytes after the end of the option list, Z zero IP identification,
// I IP options, U urgent pointer, X reserved bits, A acknowledgement number, T
// second time stamp, F PSH or URG, D data, ! broken options, Q equal sequence and
// acknowledgement numbers, 0 zero sequence number; K belongs to RSTs and is never
// seen here. A signature of five fields does not look at quirks, except that
// broken options fit only where ! is asked for. A quirk that the record cannot
// show (the numbers need --log-tcp-sequence) never makes a difference.
//
// Conditions go beyond p0f 2. They stand in the quirks field behind the letters, with
// commas between them (".,id=54321"), or in their place, and then quirks are not
// compared ("id=256,sport=6000"). One that the record cannot show does not hold.
//
//	id=N     IPv4 identification
//	sport=N  source port
//	seq=dst  the sequence number is the IPv4 destination address, as Mirai sends it
//	ip=N     version of IP, 4 or 6
//	data     an IPv4 packet longer than its headers
//
// The files of p0f 2 (SYN mode), pf and xt_osf (pf.os) load as they are, and so do the
// SYNs of a file of p0f 3 (p0f.fp), but for its second, fuzzy search. Two things differ
// from p0f 2: a size of * is any size, not 100 bytes or more, and Sn and Tn count in the
// MSS of the packet alone, never in Ethernet's instead.
//
// A genre that begins with @ marks a generic signature, a guess: these are
// reported after all specific ones. One that begins with * or - marks a tool or
// an application with a TCP stack of its own.
package fingerprint
