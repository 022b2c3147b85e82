# Signatures of TCP SYNs: who opens a connection like this.
#
# window:ttl:df:size:options:[quirks:]  genre:version:subtype:description
#
# The syntax is that of p0f version 2; the package comment of fingerprint
# describes it. Every signature that fits is reported, in the order of this file,
# those marked @ last. A shape that several systems share stands here once for
# each of them. Add your own in a file of the same form.

# --- Linux ---
#
# Windows and scales since 4.20 were captured from a 6.18 kernel: the window is
# the greatest multiple of the MSS below 65536, so the factor follows the MTU
# (64240 is 44 times 1460, Ethernet; S45 IPv6 and PPPoE, S47 WireGuard, S48 to S53
# other tunnels, S122 an MTU of 576), and the scale follows the largest receive
# buffer, hence W*. The earlier factors and versions: public lists (p0f 3.09b,
# nftables) and observations (the Satori collection).
64240:64:1:60:M*,S,T,N,W*:                  Linux:4.20-6.x::Linux 4.20 and newer
S45:64:1:60:M*,S,T,N,W*:                    Linux:4.20-6.x::Linux 4.20 and newer
S46:64:1:60:M*,S,T,N,W*:                    Linux:4.20-6.x::Linux 4.20 and newer
S47:64:1:60:M*,S,T,N,W*:                    Linux:4.20-6.x::Linux 4.20 and newer
S48:64:1:60:M*,S,T,N,W*:                    Linux:4.20-6.x::Linux 4.20 and newer
S49:64:1:60:M*,S,T,N,W*:                    Linux:4.20-6.x::Linux 4.20 and newer
S50:64:1:60:M*,S,T,N,W*:                    Linux:4.20-6.x::Linux 4.20 and newer
S51:64:1:60:M*,S,T,N,W*:                    Linux:4.20-6.x::Linux 4.20 and newer
S52:64:1:60:M*,S,T,N,W*:                    Linux:4.20-6.x::Linux 4.20 and newer
S53:64:1:60:M*,S,T,N,W*:                    Linux:4.20-6.x::Linux 4.20 and newer
S122:64:1:60:M*,S,T,N,W*:                   Linux:4.20-6.x::Linux 4.20 and newer
64240:64:1:52:M*,N,N,S,N,W*:                Linux:4.20-6.x:ts:Linux 4.20 and newer w/o timestamps
64240:64:1:60:M*,N,N,T,N,W*:                Linux:4.20-6.x:sack:Linux 4.20 and newer w/o SACK
64240:64:1:56:M*,S,T:                       Linux:4.20-6.x:ws:Linux 4.20 and newer w/o window scaling
64240:64:1:48:M*,N,W*:                      Linux:4.20-6.x:sack ts:Linux 4.20 and newer w/o SACK and timestamps
64240:64:1:48:M*,N,N,S:                     Linux:4.20-6.x:ts ws:Linux 4.20 and newer w/o timestamps and window scaling
64240:64:1:56:M*,N,N,T:                     Linux:4.20-6.x:sack ws:Linux 4.20 and newer w/o SACK and window scaling
64240:64:1:44:M*:                           Linux:4.20-6.x:barebone:Linux 4.20 and newer w/o any of these
64240:64:1:64:M*,S,T,N,W*,?34,N,N:          Linux:4.20-6.x:TFO:Linux 4.20 and newer (asks for TCP Fast Open)
64240:64:1:64:M*,S,T,N,W*,?30:              Linux:5.6-6.x:MPTCP:Linux 5.6 and newer (Multipath TCP)
S5:64:1:60:M*,S,T,N,W7:                     Linux:4.20-6.x:rmem:Linux 4.20 and newer (small receive buffer)
S1:64:1:60:M65495,S,T,N,W*:                 Linux:4.20-6.x:lo:Linux 4.20 and newer (local)
S20:64:1:60:M*,S,T,N,W*:                    Linux:3.11-4.19::Linux 3.11 - 4.19
29200:64:1:60:M1380,S,T,N,W7:               Linux:3.11-4.19:mss:Linux 3.11 - 4.19 (MSS lowered on the way)
S20:64:1:52:M*,N,N,S,N,W*:                  Linux:3.11-4.19:ts:Linux 3.11 - 4.19 w/o timestamps
S10:64:1:60:M*,S,T,N,W*:                    Linux:3.0-3.10::Linux 3.0 - 3.10
S10:64:1:52:M*,N,N,S,N,W*:                  Linux:3.0-3.10:ts:Linux 3.0 - 3.10 w/o timestamps
S2:64:1:60:M16396,S,T,N,W4:                 Linux:3.x:lo:Linux 3.x (local)
S2:64:1:60:M16376,S,T,N,W4:                 Linux:3.x:lo:Linux 3.x (local)
S4:64:1:60:M*,S,T,N,W3:                     Linux:2.6::Linux 2.6 (newer)
S4:64:1:60:M*,S,T,N,W4:                     Linux:2.6::Linux 2.6 (newer)
S4:64:1:60:M*,S,T,N,W5:                     Linux:2.6::Linux 2.6 (newer)
S4:64:1:60:M*,S,T,N,W6:                     Linux:2.6::Linux 2.6 (newer)
S4:64:1:60:M*,S,T,N,W7:                     Linux:2.6::Linux 2.6 (newer)
S4:64:1:60:M*,S,T,N,W8:                     Linux:2.6::Linux 2.6 (newer)
T4:64:1:60:M*,S,T,N,W7:                     Linux:2.6::Linux 2.6 (newer)
S4:64:1:56:M*,S,T:                          Linux:2.6:ws:Linux 2.6 w/o window scaling
S2:64:1:60:M16396,S,T,N,W2:                 Linux:2.6:lo:Linux 2.6 (local)
S2:64:1:60:M16376,S,T,N,W2:                 Linux:2.6:lo:Linux 2.6 (local)
S2:64:1:60:M16396,S,T,N,W0:                 Linux:2.4:lo:Linux 2.4 (local)
S4:64:0:60:M1430,S,T,N,W6:                  Linux:2.6:google:Linux 2.6 (Google crawler)
31856:64:1:60:M*,S,T,N,W0:                  Linux:2.4::Linux 2.4 (seldom)
S7:64:1:60:M*,S,T,N,W*:                     Linux:4.20-6.x::Linux 4.20 and newer (jumbo frames)
29200:64:1:60:M*,N,N,T,N,W*:                Linux:3.11-4.19:sack:Linux 3.11 - 4.19 w/o SACK
29200:64:1:56:M*,S,T:                       Linux:3.11-4.19:ws:Linux 3.11 - 4.19 w/o window scaling
29200:64:1:48:M*,N,W*:                      Linux:3.11-4.19:sack ts:Linux 3.11 - 4.19 w/o SACK and timestamps
29200:64:1:48:M*,N,N,S:                     Linux:3.11-4.19:ts ws:Linux 3.11 - 4.19 w/o timestamps and window scaling
29200:64:1:56:M*,N,N,T:                     Linux:3.11-4.19:sack ws:Linux 3.11 - 4.19 w/o SACK and window scaling
29200:64:1:44:M*:                           Linux:3.11-4.19:barebone:Linux 3.11 - 4.19 w/o any of these
14600:64:1:60:M*,N,N,T,N,W*:                Linux:3.0-3.10:sack:Linux 3.0 - 3.10 w/o SACK
14600:64:1:56:M*,S,T:                       Linux:3.0-3.10:ws:Linux 3.0 - 3.10 w/o window scaling
14600:64:1:48:M*,N,W*:                      Linux:3.0-3.10:sack ts:Linux 3.0 - 3.10 w/o SACK and timestamps
14600:64:1:48:M*,N,N,S:                     Linux:3.0-3.10:ts ws:Linux 3.0 - 3.10 w/o timestamps and window scaling
14600:64:1:56:M*,N,N,T:                     Linux:3.0-3.10:sack ws:Linux 3.0 - 3.10 w/o SACK and window scaling
14600:64:1:44:M*:                           Linux:3.0-3.10:barebone:Linux 3.0 - 3.10 w/o any of these
5840:64:1:60:M*,N,N,T,N,W*:                 Linux:2.4-2.6:sack:Linux 2.4 - 2.6 w/o SACK
5840:64:1:48:M*,N,W*:                       Linux:2.4-2.6:sack ts:Linux 2.4 - 2.6 w/o SACK and timestamps
5840:64:1:56:M*,N,N,T:                      Linux:2.4-2.6:sack ws:Linux 2.4 - 2.6 w/o SACK and window scaling
5840:64:1:44:M*:                            Linux:2.4-2.6:barebone:Linux 2.4 - 2.6 w/o any of these
29200:64:1:60:M1452,S,T,N,W*:               Linux:3.11-4.19:mss:Linux 3.11 - 4.19 (MSS lowered on the way)
29200:64:1:60:M1400,S,T,N,W*:               Linux:3.11-4.19:mss:Linux 3.11 - 4.19 (MSS lowered on the way)
29200:64:1:60:M1360,S,T,N,W*:               Linux:3.11-4.19:mss:Linux 3.11 - 4.19 (MSS lowered on the way)
14600:64:1:60:M1380,S,T,N,W*:               Linux:3.0-3.10:mss:Linux 3.0 - 3.10 (MSS lowered on the way)
14600:64:1:60:M1360,S,T,N,W*:               Linux:3.0-3.10:mss:Linux 3.0 - 3.10 (MSS lowered on the way)
64240:1:1:60:M*,S,T,N,W*:                   Linux:4.20-6.x:ttl 1:Linux 4.20 and newer (TTL 1, as eBGP)
S45:1:1:60:M*,S,T,N,W*:                     Linux:4.20-6.x:ttl 1:Linux 4.20 and newer (TTL 1, as eBGP)
S20:1:1:60:M*,S,T,N,W*:                     Linux:3.11-4.19:ttl 1:Linux 3.11 - 4.19 (TTL 1, as eBGP)
S10:1:1:60:M*,S,T,N,W*:                     Linux:3.0-3.10:ttl 1:Linux 3.0 - 3.10 (TTL 1, as eBGP)
29200:255:1:44:M*:                          Linux:3.11-4.19:barebone ttl:Linux 3.11 - 4.19 (MSS alone, TTL 255)
14600:255:1:44:M*:                          Linux:3.0-3.10:barebone ttl:Linux 3.0 - 3.10 (MSS alone, TTL 255)
64240:64:1:60:M*,S,N,N,N,N,N,N,N,N,N,N,N,W*: Linux:4.20-6.x:nops:Linux 4.20 and newer (timestamps blanked on the way)
29200:64:1:60:M*,S,N,N,N,N,N,N,N,N,N,N,N,W*: Linux:3.11-4.19:nops:Linux 3.11 - 4.19 (timestamps blanked on the way)
S10:64:1:60:M*,S,N,N,N,N,N,N,N,N,N,N,N,W*:  Linux:3.0-3.10:nops:Linux 3.0 - 3.10 (timestamps blanked on the way)
*:1:*:72:N,N,?19,M*,N,N,S,N,W*:             Linux::md5:Linux (TCP MD5, as BGP)
*:1:*:68:N,N,?19,M*,N,W*:                   Linux::md5:Linux (TCP MD5, as BGP) w/o SACK
*:1:*:68:N,N,?19,M*,N,N,S:                  Linux::md5:Linux (TCP MD5, as BGP) w/o window scaling
*:1:*:64:N,N,?19,M*:                        Linux::md5:Linux (TCP MD5, as BGP) w/o SACK and window scaling
*:64:*:72:N,N,?19,M*,N,N,S,N,W*:            Linux::md5:Linux (TCP MD5, as BGP)
*:64:*:68:N,N,?19,M*,N,W*:                  Linux::md5:Linux (TCP MD5, as BGP) w/o SACK
*:64:*:68:N,N,?19,M*,N,N,S:                 Linux::md5:Linux (TCP MD5, as BGP) w/o window scaling
*:64:*:64:N,N,?19,M*:                       Linux::md5:Linux (TCP MD5, as BGP) w/o SACK and window scaling
*:255:*:72:N,N,?19,M*,N,N,S,N,W*:           Linux::md5:Linux (TCP MD5, as BGP)
*:255:*:68:N,N,?19,M*,N,W*:                 Linux::md5:Linux (TCP MD5, as BGP) w/o SACK
*:255:*:68:N,N,?19,M*,N,N,S:                Linux::md5:Linux (TCP MD5, as BGP) w/o window scaling
*:255:*:64:N,N,?19,M*:                      Linux::md5:Linux (TCP MD5, as BGP) w/o SACK and window scaling
*:64:*:72:M*,S,T,N,W*,?34,N,N:              Linux::TFO:Linux (TCP Fast Open, with a cookie)
*:64:*:*:M*,S,T,N,W*,?34,N,N:data:          Linux::TFO:Linux (TCP Fast Open, with a cookie and data)
*:64:*:*:M*,S,T,N,W*,?34:data:              Linux::TFO:Linux (TCP Fast Open, with a cookie and data)
*:64:*:*:M*,S,T,N,W*:data:                  Linux::TFO:Linux (TCP Fast Open, data without a cookie)
*:64:*:64:M*,S,T,N,W*,?254:                 Linux::TFO:Linux (TCP Fast Open, experimental option)
*:64:*:72:M*,S,T,N,W*,?254:                 Linux::TFO:Linux (TCP Fast Open, experimental option, with a cookie)
*:64:*:*:M*,S,T,N,W*,?254:data:             Linux::TFO:Linux (TCP Fast Open, experimental option, with a cookie and data)
*:64:*:72:M*,S,T,N,W*,?30:                  Linux::MPTCP:Linux (Multipath TCP 0, or a further path of version 1)
S12:64:0:44:M*:                             Linux:2.0:3x:Linux 2.0
S4:64:1:60:M1460,S,N,N,N,N,N,N,N,N,N,N,N,W2: -BaiduSpider:::Baidu spider
S4:64:1:60:M1460,S,N,N,N,N,N,N,N,N,N,N,N,W7: -BaiduSpider:::Baidu spider

# --- Android ---
#
# Windows and scales as people observed them (the Satori collection, p0f 3.09b).
# Television sets and speakers share them with telephones.
65535:64:1:60:M*,S,T,N,W6:                  Linux:Android:5-10:Linux (Android 5 - 10)
65535:64:1:60:M*,S,T,N,W7:                  Linux:Android:5-10:Linux (Android 5 - 10)
65535:64:1:60:M*,S,T,N,W8:                  Linux:Android:5-10:Linux (Android 5 - 10)
65535:64:1:60:M*,S,T,N,W9:                  Linux:Android:5-10:Linux (Android 5 - 10)
65535:64:0:60:M*,S,T,N,W8:                  Linux:Android:9-10:Linux (Android 9 or 10, no DF)
65535:64:0:60:M*,S,T,N,W9:                  Linux:Android:9-10:Linux (Android 9 or 10, no DF)
S44:64:1:60:M*,S,T,N,W1:                    Linux:Android::Linux (Android, older)
S44:64:1:60:M*,S,T,N,W3:                    Linux:Android::Linux (Android, older)

# --- Apple ---
#
# All its systems share one stack: two zero bytes end the options, and the scale
# grew with the years. Which system has which scale: the Satori collection and
# p0f 3.09b. After losses the same stack offers less (M*,S,E,E).
65535:64:1:64:M*,N,W0,N,N,T,S,E,E:          iOS:TV::iOS (Apple TV)
65535:64:1:64:M*,N,W1,N,N,T,S,E,E:          MacOS:X:10.4-10.6:Mac OS X 10.4 - 10.6
65535:64:1:64:M*,N,W2,N,N,T,S,E,E:          iOS:::iOS (iPhone, iPad)
65535:64:1:64:M*,N,W3,N,N,T,S,E,E:          MacOS:X:10.5-10.8:Mac OS X 10.5 - 10.8
65535:64:1:64:M*,N,W3,N,N,T,S,E,E:          iOS:13::iOS 13 (iPhone, iPad)
65535:64:1:64:M*,N,W4,N,N,T,S,E,E:          MacOS:X:10.9-10.12:Mac OS X 10.9 - 10.12
65535:64:1:64:M*,N,W4,N,N,T,S,E,E:          iOS:14::iOS 14 (iPhone, iPad)
65535:64:1:64:M*,N,W5,N,N,T,S,E,E:          MacOS:X:10.10-10.14:Mac OS X 10.10 - 10.14
65535:64:1:64:M*,N,W5,N,N,T,S,E,E:          iOS:13-14::iOS 13 - 14 (iPhone, iPad)
65535:64:1:64:M*,N,W6,N,N,T,S,E,E:          MacOS:X:10.14-10.15:Mac OS X 10.14 - 10.15
65535:64:1:64:M*,N,W6,N,N,T,S,E,E:          iOS:13::iOS 13 (iPhone, iPad)
65535:64:1:64:M*,N,W7,N,N,T,S,E,E:          iOS:12-13::iOS 12 - 13 (iPhone, iPad)
10240:64:1:64:M*,N,W3,N,N,T,S,E,E:          iOS:13::iOS 13 (iPhone, iPad)
65535:64:1:48:M*,S,E,E:                     MacOS:X:10.9-10.12:Mac OS X 10.9 - 10.12 (repeated SYN)
65535:64:1:44:M*:                           MacOS:X:noRFC1323:Mac OS X (no RFC1323)
32768:64:1:44:M*:                           MacOS:X:noRFC1323:Mac OS X (no RFC1323)
65535:64:0:64:M*,N,W3,N,N,T,S,E,E:          MacOS:X:10.5-10.8 no-df:Mac OS X 10.5 - 10.8 (no DF)
65535:64:0:64:M*,N,W4,N,N,T,S,E,E:          MacOS:X:10.9-10.12 no-df:Mac OS X 10.9 - 10.12 (no DF)
65535:64:0:64:M*,N,W5,N,N,T,S,E,E:          MacOS:X:10.10-10.14 no-df:Mac OS X 10.10 - 10.14 (no DF)
65535:64:0:64:M*,N,W6,N,N,T,S,E,E:          MacOS:X:10.14-15.x no-df:macOS 10.14 and newer (no DF)

# --- BSD ---
#
# Public lists (nftables, p0f 3.09b) and observations (the Satori collection).
# VMware's ESX kernel has a TCP of FreeBSD descent; the collections file it under
# Linux, so this does.
65535:64:1:60:M*,N,W6,S,T:                  FreeBSD:9.0-14.x::FreeBSD 9.0 and newer
65535:64:1:60:M*,N,W3,S,T:                  FreeBSD:7.0-8.x::FreeBSD 7.0 - 8.x
49152:64:1:60:M*,N,W3,S,T:                  FreeBSD:7::FreeBSD 7.x
65535:64:1:48:M*,S,E:                       FreeBSD:7::FreeBSD 7.1 (no RFC1323)
65535:64:1:64:M*,N,W1,N,N,T,S,E,E:          FreeBSD:6::FreeBSD 6.x
65535:64:1:44:M*:                           FreeBSD:4-5:noRFC1323:FreeBSD 4 - 5 (no RFC1323)
S12:64:1:44:M*:                             FreeBSD:3.4-4.x::FreeBSD 3.4 - 4.x
16992:64:1:44:M*:                           FreeBSD:3.4::FreeBSD 3.4
65535:64:1:60:M*,N,W9,S,T:                  Linux:ESX:6.5:VMware ESX 6.5
57344:64:0:64:M*,N,W0,N,N,S,N,N,T:          DragonFly:1.2-2.3::DragonFly 1.2 - 2.3
57344:64:0:64:M*,N,W5,N,N,S,N,N,T:          DragonFly:2.4-2.7::DragonFly 2.4 - 2.7
16384:64:1:64:M*,N,N,S,N,W6,N,N,T:          OpenBSD:6.1-7.x::OpenBSD 6.1 and newer
16384:64:0:64:M*,N,N,S,N,W6,N,N,T:          OpenBSD:6.1-7.x:no-df:OpenBSD 6.1 and newer (scrub no-df)
16384:64:1:64:M*,N,N,S,N,W3,N,N,T:          OpenBSD:4.9-6.0::OpenBSD 4.9 - 6.0
16384:64:0:64:M*,N,N,S,N,W3,N,N,T:          OpenBSD:4.9-6.0:no-df:OpenBSD 4.9 - 6.0 (scrub no-df)
16384:64:1:64:M*,N,N,S,N,W0,N,N,T:          OpenBSD:3.6-4.8::OpenBSD 3.6 - 4.8
S12:64:0:64:M*,N,N,S,N,W0,N,N,T:            OpenBSD:2.6-2.9::OpenBSD 2.6 - 2.9
16384:64:0:64:M*,N,N,S,N,W0,N,N,T:          OpenBSD:2.6-2.9::OpenBSD 2.6 - 2.9
32767:255:1:64:M*,N,N,S,N,W0,N,N,T:         OpenBSD:3.8:anonym:OpenBSD 3.8 (Anonym.OS)
32768:64:1:64:M*,N,W3,S,N,N,N,N,T:          NetBSD:4-10::NetBSD 4 and newer
32768:64:1:64:M*,N,W6,S,N,N,N,N,T:          NetBSD:5-10::NetBSD 5 and newer, or a switch that runs it
32768:64:0:64:M*,N,W3,S,N,N,N,N,T:          NetBSD:4-10:no-df:NetBSD 4 and newer (no DF)
16384:64:*:64:M*,N,W0,N,N,T,S,E,E:          Juniper:JunOS::Juniper JunOS
16384:1:*:64:M*,N,W0,N,N,T,S,E,E:           Juniper:JunOS:ttl 1:Juniper JunOS (TTL 1, as eBGP)

# --- Windows ---
#
# Observations (the Satori collection), public lists (p0f 3.09b, nftables). Since
# Windows 10 1703 the window is a multiple of the MSS below 65536, like Linux's.
# Xbox runs Windows.
64240:128:1:52:M*,N,W8,N,N,S:               Windows:10-11::Windows 10 1703 and newer, Server 2016 and newer
S45:128:1:52:M*,N,W8,N,N,S:                 Windows:10-11::Windows 10 1703 and newer, Server 2016 and newer
S46:128:1:52:M*,N,W8,N,N,S:                 Windows:10-11::Windows 10 1703 and newer, Server 2016 and newer
S47:128:1:52:M*,N,W8,N,N,S:                 Windows:10-11::Windows 10 1703 and newer, Server 2016 and newer
S48:128:1:52:M*,N,W8,N,N,S:                 Windows:10-11::Windows 10 1703 and newer, Server 2016 and newer
S49:128:1:52:M*,N,W8,N,N,S:                 Windows:10-11::Windows 10 1703 and newer, Server 2016 and newer
S50:128:1:52:M*,N,W8,N,N,S:                 Windows:10-11::Windows 10 1703 and newer, Server 2016 and newer
S51:128:1:52:M*,N,W8,N,N,S:                 Windows:10-11::Windows 10 1703 and newer, Server 2016 and newer
S52:128:1:52:M*,N,W8,N,N,S:                 Windows:10-11::Windows 10 1703 and newer, Server 2016 and newer
S53:128:1:52:M*,N,W8,N,N,S:                 Windows:10-11::Windows 10 1703 and newer, Server 2016 and newer
65535:128:1:52:M*,N,W8,N,N,S:               Windows:10-11::Windows 10 1703 and newer, Server 2016 and newer
S12:128:1:52:M*,N,W8,N,N,S:                 Windows:10::Windows 10 1803
65535:128:1:52:M*,N,W3,N,N,S:               Windows:7-10::Windows 7 - 10 1607
64240:128:1:60:M*,N,W8,S,T:                 Windows:10-11:ts:Windows 10 1703 and newer (timestamps)
64240:128:1:48:M*,N,N,S:                    Windows:10-11:noRFC1323:Windows 10 1703 and newer (no RFC1323)
8192:128:1:52:M*,N,W8,N,N,S:                Windows:7-10::Windows 7 - 10 1607, Server 2008 - 2016
8192:128:1:52:M*,N,W2,N,N,S:                Windows:Vista-8::Windows Vista - 8, Server 2008
8192:128:1:48:M*,N,N,S:                     Windows:Vista-10:noRFC1323:Windows Vista - 10 1607, Server 2008 - 2016 (no RFC1323)
8192:128:1:60:M*,N,W2,S,T:                  Windows:7-10:ts:Windows 7 - 10 1607 (timestamps)
8192:128:1:60:M*,N,W8,S,T:                  Windows:7-10:ts:Windows 7 - 10 1607 (timestamps)
8192:128:1:56:M*,S,T:                       Windows:7:ts:Windows 7 (timestamps, no window scaling)
32768:128:1:52:M*,N,W0,N,N,S:               Windows:7-8::Windows 7 or 8
32768:128:1:52:M*,N,W2,N,N,S:               Windows:7-8::Windows 7 or 8
65535:128:1:52:M*,N,W1,N,N,S:               Windows:XP-7::Windows XP - 7
65535:128:1:52:M*,N,W2,N,N,S:               Windows:XP-7::Windows XP - 7
65535:128:1:52:M*,N,W0,N,N,S:               Windows:XP:RFC1323:Windows XP
65535:128:1:48:M*,N,N,S:                    Windows:XP-2012:noRFC1323:Windows XP - 7, Server 2003 - 2012 (no RFC1323)
16384:128:0:48:M*,N,N,S:                    Windows:2000-2003:no-df:Windows 2000, Server 2003 (no DF)
64240:128:0:48:M*,N,N,S:                    Windows:2000-2003:no-df:Windows 2000, Server 2003 (no DF)
65535:128:0:48:M*,N,N,S:                    Windows:2000-2003:no-df:Windows 2000, Server 2003 (no DF)
S4:64:1:60:M1380,N,N,T,N,W6:                Windows:7:Websense:Windows 7 (Websense crawler)
S4:64:1:60:M1380,N,N,T,N,W7:                Windows:7:Websense:Windows 7 (Websense crawler)
32768:32:1:52:M1460,N,W0,N,N,S:             Windows:2003:AS:Windows 2003 AS
44620:64:0:48:M*,N,N,S:                     Windows:ME::Windows ME no SP (?)
S6:255:1:48:M536,N,N,S:                     Windows:95:winsock2:Windows 95 winsock 2
8192:32:1:44:M*:                            Windows:95::Windows 95
8192:128:1:44:M*:                           Windows:98:noSack:Windows 98 (no sack)
3100:32:1:44:M1460:                         Windows:CE:2.0:Windows CE 2.0
32768:32:1:44:M1460:                        Windows:CE::Windows CE
65518:128:1:52:M*,N,W8,N,N,S:               Windows:Xbox:One:Windows (Xbox One)
S12:64:0:52:M*,N,W0,N,N,S:                  Windows:Xbox:360:Windows (Xbox 360)
8192:128:1:48:N,W2,N,N,S:                   Windows:Vista-8:mss:Windows Vista - 8, Server 2008 (MSS taken out)
8192:128:1:48:N,W8,N,N,S:                   Windows:7-10:mss:Windows 7 - 10 1607, Server 2008 - 2016 (MSS taken out)
64240:128:1:48:N,W8,N,N,S:                  Windows:10-11:mss:Windows 10 1703 and newer (MSS taken out)
65535:128:1:48:N,W8,N,N,S:                  Windows:10-11:mss:Windows 10 1703 and newer (MSS taken out)
8192:64:1:60:M*,N,W2,S,T:                   Windows:7-10:ts ttl:Windows 7 - 10 1607 (timestamps, TTL 64)
8192:64:1:60:M*,N,W8,S,T:                   Windows:7-10:ts ttl:Windows 7 - 10 1607 (timestamps, TTL 64)
64240:64:1:60:M*,N,W8,S,T:                  Windows:10-11:ts ttl:Windows 10 1703 and newer (timestamps, TTL 64)
8192:64:1:52:M*,N,W2,N,N,S:                 Windows:Vista-8:ttl:Windows Vista - 8, Server 2008 (TTL 64)
8192:64:1:52:M*,N,W8,N,N,S:                 Windows:7-10:ttl:Windows 7 - 10 1607, Server 2008 - 2016 (TTL 64)
64240:64:1:52:M*,N,W8,N,N,S:                Windows:10-11:ttl:Windows 10 1703 and newer (TTL 64)
65535:64:1:52:M*,N,W8,N,N,S:                Windows:10-11:ttl:Windows 10 1703 and newer (TTL 64)
64240:128:1:56:M*,N,W8,N,N,S,?34,N,N:       Windows:10-11:TFO:Windows 10 1703 and newer (asks for TCP Fast Open)
64240:128:1:*:M*,N,W8,N,N,S,?34,N,N:data:   Windows:10-11:TFO:Windows 10 1703 and newer (TCP Fast Open, with a cookie and data)
65535:128:1:56:M*,N,W8,N,N,S,?34,N,N:       Windows:10-11:TFO:Windows 10 1703 and newer (asks for TCP Fast Open)
65535:128:1:*:M*,N,W8,N,N,S,?34,N,N:data:   Windows:10-11:TFO:Windows 10 1703 and newer (TCP Fast Open, with a cookie and data)

# --- Other systems and devices ---
#
# Public lists (nftables, p0f 3.09b) and observations (the Satori collection).
# Boxes whose SYN is simply Linux's are left out: naming one would be guessing.
32850:64:1:64:M*,N,N,T,N,W1,N,N,S:          Solaris:10::Solaris 10 1203
32850:64:1:64:N,W1,N,N,T,N,N,S,M*:          Solaris:8::Solaris 8
S34:64:1:52:M*,N,W0,N,N,S:                  Solaris:10::Solaris 10
S17:64:1:48:N,N,S,M*:                       Solaris:2.6::Solaris 2.6 (SunOS 5.6)
S6:255:1:44:M*:                             Solaris:2.6::Solaris 2.6 (SunOS 5.6)
49152:60:0:64:M*,N,W2,N,N,T,N,N,S:          IRIX:6.5:IP27:IRIX 6.5 IP27
65535:64:*:44:M1380:                        AIX:5.2::AIX 5.2
16384:64:1:44:M1380:                        AIX:5.2::AIX 5.2
T2:128:0:48:M*,N,W0:                        OpenVMS:8.x::OpenVMS 8.x
61440:64:0:48:M*,N,W0:                      OpenVMS:7.x::OpenVMS 7.x
S4:64:0:44:M1024:                           NeXTSTEP:3.3::NeXTSTEP 3.3
S17:64:1:60:M1380,N,W0,N,N,T:               SCO:UnixWare:7.1:SCO UnixWare 7.1.3 MP3
T2:255:0:44:M984:                           DOS:WATTCP:1.05Arachne:Arachne via WATTCP/1.05 (eepro)
28672:64:0:44:M1460:                        OS/2:4::OS/2 Warp 4.0
S44:255:0:44:M536:                          FreeMiNT:1:16A:FreeMiNT 1 patch 16A (Atari)
6144:128:1:52:M1460,W*,N,S,N,N:             Novell:NetWare::NetWare
6143:128:1:52:M1460,W*,N,S,N,N:             Novell:NetWare::NetWare
6144:128:1:48:M1460,W0,N:                   Novell:NetWare::NetWare
S52:128:1:48:M1260,N,N,N,N:                 LinkSys:WRV54G::LinkSys WRV54G VPN router
65535:255:0:48:M*,N,N,S:                    Redline:::Redline T|X 2200
32696:128:0:44:M1460:                       Spirent:Avalanche::Spirent Web Avalanche HTTP benchmarking engine
S3:255:1:60:M*,N,N,T,S,E,E:                 F5:Big-IP::F5 Big-IP
8192:64:0:60:M*,N,W0,N,N,T:                 NETGEAR:WGR614v6::NETGEAR WGR614v6
8688:64:0:64:M*,N,W0,N,N,S,N,N,T:           Brother:DCP 7065DN::Brother DCP 7065DN (printer)
16000:64:0:44:M1456:                        Cisco:ATA 186::Cisco ATA 186
16000:128:0:44:M1456:                       Cisco:ATA 186::Cisco ATA 186
16000:255:0:44:M1456:                       Cisco:ATA 186::Cisco ATA 186
65535:128:0:48:M*,N,N,S:                    Cisco:IP Phone::Cisco IP Phone
S1:64:0:44:M1400:                           Cisco:IP Phone::Cisco IP Phone
32768:64:1:48:M1360,N,N,S:                  Nintendo:3DS::Nintendo 3DS
32768:64:1:48:M1460,N,N,S:                  Nintendo:Wii::Nintendo Wii
65535:128:0:60:M1452,N,N,S,N,N,T:           Blackberry:::Blackberry
16384:255:0:44:M1398:                       PalmOS:5.2:Clie:PalmOS 5.2 (Clie)
S14:255:0:44:M1350:                         PalmOS:5.2:Treo:PalmOS 5.2.1 (Treo)
S22:64:1:56:M1460,T,S:                      SymbianOS:P800::Symbian OS ? (SE P800?)
S36:64:1:56:M1360,T,S:                      SymbianOS:6600::Symbian OS 60xx (Nokia 6600?)
49640:64:1:52:M1452,N,W0,N,N,S:             Solaris:10:mss:Solaris 10 (MSS lowered on the way)
49640:64:1:52:M1400,N,W0,N,N,S:             Solaris:10:mss:Solaris 10 (MSS lowered on the way)
49640:64:1:52:M1380,N,W0,N,N,S:             Solaris:10:mss:Solaris 10 (MSS lowered on the way)
49640:64:1:52:M1360,N,W0,N,N,S:             Solaris:10:mss:Solaris 10 (MSS lowered on the way)
*:64:*:60:S,T,M*,N,W*:                      Solaris:11::Solaris 11, OpenIndiana
16384:60:0:44:M*:                           AIX:5.3-7.x::AIX 5.3 - 7.x
65535:60:0:44:M*:                           AIX:5.3-7.x::AIX 5.3 - 7.x
65535:60:*:64:M*,N,W3,N,N,T,N,N,S:          AIX:5.3-7.x:RFC1323:AIX 5.3 - 7.x (RFC1323)
16384:255:0:44:M*:                          Cisco:IOS::Cisco IOS
4128:255:0:64:M*,?19,E:                     Cisco:IOS:md5:Cisco IOS (TCP MD5, as BGP, LDP, MSDP)
16384:255:0:64:M*,?19,E:                    Cisco:IOS:md5:Cisco IOS (TCP MD5, as BGP, LDP, MSDP)
16384:1:0:44:M*:                            Cisco:IOS:ttl 1:Cisco IOS (TTL 1, as eBGP)
16384:1:0:64:M*,?19,E:                      Cisco:IOS:md5 ttl 1:Cisco IOS (TCP MD5, TTL 1, as eBGP)
S4:255:0:44:M*:                             lwIP:::lwIP (small device)
32768:64:1:60:M*,N,W6,S,T:                  Nintendo:Switch::Nintendo Switch
S3:255:1:48:M*,S,E:                         F5:Big-IP::F5 Big-IP
4380:255:1:48:M1380,S,E:                    F5:Big-IP:mss:F5 Big-IP (MSS lowered on the way)
8190:255:*:44:M*:                           Citrix:NetScaler::Citrix NetScaler
8190:255:*:52:M*,N,W*,N,N,S:                Citrix:NetScaler::Citrix NetScaler
16383:255:0:48:M*,W0,N:                     IXIA:PerfectStorm::IXIA PerfectStorm (traffic generator)

# --- Scanners ---
#
# nmap 7.93, hping 3, masscan 1.3.2, zmap 2.1 and Scapy 2.5 were captured, the
# options of zmap 4 are documented; the others: p0f 3.09b, nftables, observation.
# nmap starts with a TTL between 37 and 59 of its own, hence two rows each. Mirai
# and its kin are known by the sequence number alone.
1024:59:0:44:M1460:                         *NMAP:syn scan::NMAP SYN scan
1024:37:0:44:M1460:                         *NMAP:syn scan::NMAP SYN scan
2048:59:0:44:M1460:                         *NMAP:syn scan::NMAP SYN scan
2048:37:0:44:M1460:                         *NMAP:syn scan::NMAP SYN scan
3072:59:0:44:M1460:                         *NMAP:syn scan::NMAP SYN scan
3072:37:0:44:M1460:                         *NMAP:syn scan::NMAP SYN scan
4096:59:0:44:M1460:                         *NMAP:syn scan::NMAP SYN scan
4096:37:0:44:M1460:                         *NMAP:syn scan::NMAP SYN scan
1:59:0:60:W10,N,M1460,T,S:                  *NMAP:OS::NMAP OS detection
1:37:0:60:W10,N,M1460,T,S:                  *NMAP:OS::NMAP OS detection
63:59:0:60:M1400,W0,S,T,E:                  *NMAP:OS::NMAP OS detection
63:37:0:60:M1400,W0,S,T,E:                  *NMAP:OS::NMAP OS detection
4:59:0:60:T,N,N,W5,N,M640:                  *NMAP:OS::NMAP OS detection
4:37:0:60:T,N,N,W5,N,M640:                  *NMAP:OS::NMAP OS detection
4:59:0:56:S,T,W10,E:                        *NMAP:OS::NMAP OS detection
4:37:0:56:S,T,W10,E:                        *NMAP:OS::NMAP OS detection
16:59:0:60:M536,S,T,W10,E:                  *NMAP:OS::NMAP OS detection
16:37:0:60:M536,S,T,W10,E:                  *NMAP:OS::NMAP OS detection
512:59:0:56:M265,S,T:                       *NMAP:OS::NMAP OS detection
512:37:0:56:M265,S,T:                       *NMAP:OS::NMAP OS detection
31337:59:0:60:W10,N,M265,T,S:               *NMAP:OS::NMAP OS detection
31337:37:0:60:W10,N,M265,T,S:               *NMAP:OS::NMAP OS detection
3:59:0:52:W10,N,M1460,S,N,N:                *NMAP:OS::NMAP OS detection
3:37:0:52:W10,N,M1460,S,N,N:                *NMAP:OS::NMAP OS detection
1024:59:0:*:M1460:data:                     *NMAP:syn scan:data:NMAP SYN scan (with data)
1024:37:0:*:M1460:data:                     *NMAP:syn scan:data:NMAP SYN scan (with data)
2048:59:0:*:M1460:data:                     *NMAP:syn scan:data:NMAP SYN scan (with data)
2048:37:0:*:M1460:data:                     *NMAP:syn scan:data:NMAP SYN scan (with data)
3072:59:0:*:M1460:data:                     *NMAP:syn scan:data:NMAP SYN scan (with data)
3072:37:0:*:M1460:data:                     *NMAP:syn scan:data:NMAP SYN scan (with data)
4096:59:0:*:M1460:data:                     *NMAP:syn scan:data:NMAP SYN scan (with data)
4096:37:0:*:M1460:data:                     *NMAP:syn scan:data:NMAP SYN scan (with data)
1024:255:0:40:.:                            *masscan:1.3::masscan 1.3
1024:255:0:44:M*:                           *masscan:1.3+::masscan (current, sends an MSS)
65535:255:0:44:M1460:                       *zmap:2.x::zmap 2.x
65535:255:0:40:.:id=54321:                  *zmap:2.x::zmap (without options)
65535:255:0:44:M*:id=54321:                 *zmap:3.x::zmap (ID 54321)
65535:255:*:52:M*,N,W8,N,N,S:id=54321:      *zmap:4.x:windows:zmap 4 (options of Windows)
65535:255:*:60:M*,S,T,N,W7:id=54321:        *zmap:4.x:linux:zmap 4 (options of Linux)
65535:255:*:64:M*,N,W6,N,N,T,S,E,E:id=54321: *zmap:4.x:bsd:zmap 4 (options of BSD)
512:64:0:40:.:                              *hping:3::hping 3
512:64:1:40:.:                              *hping:3:df:hping 3 (DF)
512:128:0:40:.:                             *hping:3:ttl:hping 3 (other TTL)
512:255:0:40:.:                             *hping:3:ttl:hping 3 (other TTL)
512:64:0:*:.:data:                          *hping:3:data:hping 3 (with data)
512:64:0:52:N,N,T:                          *hping:3:ts:hping 3 (timestamps)
8192:64:0:40:.:id=1:                        *Scapy:::Scapy (its defaults)
8192:64:0:44:M*:id=1:                       *Scapy:::Scapy (its defaults, an MSS)
8192:64:0:60:M*,S,T,N,W*:id=1:              *Scapy:::Scapy (its defaults, options of Linux)
8192:64:0:52:M*,N,W*,N,N,S:id=1:            *Scapy:::Scapy (its defaults, options of Windows)
*:64:0:40:.:seq=dst:                        *Mirai:::Mirai or its kin (sequence number is the target)
*:128:0:40:.:seq=dst:                       *Mirai:::Mirai or its kin (sequence number is the target)
*:255:0:40:.:seq=dst:                       *Mirai:::Mirai or its kin (sequence number is the target)
14600:255:1:40:.:                           *scanner:IoT::Scanner for IoT ports, name not known (window 14600, DF)
14600:64:1:40:.:                            *scanner:IoT::Scanner for IoT ports, name not known (window 14600, DF)
16384:128:0:40:.:id=256,sport=6000:         *scanner:port 6000::Scanner from port 6000 (ID 256)
32767:64:0:40:.:                            *NAST:::NASTsyn scan
1337:192:0:64:M1331,N,E,E,E,E,E,E,E,E,E,E,E,E,E,E,E,E,E,E,E: *p0f:sendsyn::p0f sendsyn utility
1337:192:0:64:M1331,T,N,E,E,E,E,E,E,E,E,E:  *p0f:sendsyn::p0f sendsyn utility
1337:192:0:64:M1331,W5,N,E,E,E,E,E,E,E,E,E,E,E,E,E,E,E,E: *p0f:sendsyn::p0f sendsyn utility
1337:192:0:64:M1331,S,N,E,E,E,E,E,E,E,E,E,E,E,E,E,E,E,E,E: *p0f:sendsyn::p0f sendsyn utility
1337:192:0:64:M1331,W5,T,N,E,E,E,E,E,E:     *p0f:sendsyn::p0f sendsyn utility
1337:192:0:64:M1331,S,T,N,E,E,E,E,E,E,E:    *p0f:sendsyn::p0f sendsyn utility
1337:192:0:64:M1331,W5,S,N,E,E,E,E,E,E,E,E,E,E,E,E,E,E: *p0f:sendsyn::p0f sendsyn utility
1337:192:0:64:M1331,W5,S,T,N,E,E,E,E:       *p0f:sendsyn::p0f sendsyn utility

# --- The systems of 2004 ---
#
# Facts of the signature list that fwknop 1.9 shipped, with its labels to the
# letter: REQUIRE_OS compares them.
45046:64:0:44:M*:                           AIX:4.3::AIX 4.3
16384:64:0:44:M512:                         AIX:4.3:2-3:AIX 4.3.2 and earlier
16384:64:0:60:M512,N,W%2,N,N,T:             AIX:4.3:3:AIX 4.3.3-5.2
16384:64:0:60:M512,N,W%2,N,N,T:             AIX:5.1-5.2::AIX 4.3.3-5.2
32768:64:0:60:M512,N,W%2,N,N,T:             AIX:4.3:3:AIX 4.3.3-5.2
32768:64:0:60:M512,N,W%2,N,N,T:             AIX:5.1-5.2::AIX 4.3.3-5.2
65535:64:0:60:M512,N,W%2,N,N,T:             AIX:4.3:3:AIX 4.3.3-5.2
65535:64:0:60:M512,N,W%2,N,N,T:             AIX:5.1-5.2::AIX 4.3.3-5.2
65535:64:0:64:M*,N,W1,N,N,T,N,N,S:          AIX:5.3:ML1:AIX 5.3 ML1
512:64:0:44:M*:                             Linux:2.0:3x:Linux 2.0.3x
16384:64:0:44:M*:                           Linux:2.0:3x:Linux 2.0.3x
2:64:0:44:M*:                               Linux:2.0:3x:Linux 2.0.3x (MkLinux) on Mac
64:64:0:44:M*:                              Linux:2.0:3x:Linux 2.0.3x (MkLinux) on Mac
S4:64:1:60:M1360,S,T,N,W0:                  Linux:google::Linux (Google crawlbot)
S2:64:1:60:M*,S,T,N,W0:                     Linux:2.4::Linux 2.4 (big boy)
S3:64:1:60:M*,S,T,N,W0:                     Linux:2.4:18-21:Linux 2.4.18 and newer
S4:64:1:60:M*,S,T,N,W0:                     Linux:2.4::Linux 2.4/2.6
S4:64:1:60:M*,S,T,N,W0:                     Linux:2.6::Linux 2.4/2.6
S3:64:1:60:M*,S,T,N,W1:                     Linux:2.5::Linux 2.5 (sometimes 2.4)
S4:64:1:60:M*,S,T,N,W1:                     Linux:2.5-2.6::Linux 2.5/2.6
S3:64:1:60:M*,S,T,N,W2:                     Linux:2.5::Linux 2.5 (sometimes 2.4)
S4:64:1:60:M*,S,T,N,W2:                     Linux:2.5::Linux 2.5 (sometimes 2.4)
S20:64:1:60:M*,S,T,N,W0:                    Linux:2.2:20-25:Linux 2.2.20 and newer
S22:64:1:60:M*,S,T,N,W0:                    Linux:2.2::Linux 2.2
S11:64:1:60:M*,S,T,N,W0:                    Linux:2.2::Linux 2.2
S4:64:1:48:M1460,N,W0:                      Linux:2.4:cluster:Linux 2.4 in cluster
T4:64:1:60:M1412,S,T,N,W0:                  Linux:2.4::Linux 2.4 (late, uncommon)
32767:64:1:60:M16396,S,T,N,W0:              Linux:2.4:lo0:Linux 2.4 (local)
S8:64:1:60:M3884,S,T,N,W0:                  Linux:2.2:lo0:Linux 2.2 (local)
16384:64:1:60:M*,S,T,N,W0:                  Linux:2.2:Opera:Linux 2.2 (Opera?)
32767:64:1:60:M*,S,T,N,W0:                  Linux:2.4:Opera:Linux 2.4 (Opera?)
S4:64:1:52:M*,N,N,S,N,W0:                   Linux:2.4:ts:Linux 2.4 w/o timestamps
S22:64:1:52:M*,N,N,S,N,W0:                  Linux:2.2:ts:Linux 2.2 w/o timestamps
16384:64:1:44:M*:                           FreeBSD:2.0-2.2::FreeBSD 2.0-4.1
16384:64:1:44:M*:                           FreeBSD:3.0-3.5::FreeBSD 2.0-4.1
16384:64:1:44:M*:                           FreeBSD:4.0-4.1::FreeBSD 2.0-4.1
16384:64:1:60:M*,N,W0,N,N,T:                FreeBSD:4.4::FreeBSD 4.4
1024:64:1:60:M*,N,W0,N,N,T:                 FreeBSD:4.4::FreeBSD 4.4
57344:64:1:44:M*:                           FreeBSD:4.6-4.8:noRFC1323:FreeBSD 4.6-4.8 (no RFC1323)
57344:64:1:60:M*,N,W0,N,N,T:                FreeBSD:4.6-4.8::FreeBSD 4.6-4.8
32768:64:1:60:M*,N,W0,N,N,T:                FreeBSD:4.8-4.9::FreeBSD 4.8-5.1 (or MacOS X)
32768:64:1:60:M*,N,W0,N,N,T:                FreeBSD:5.0-5.1::FreeBSD 4.8-5.1 (or MacOS X)
65535:64:1:60:M*,N,W0,N,N,T:                FreeBSD:4.8-4.9::FreeBSD 4.8-5.1 (or MacOS X)
65535:64:1:60:M*,N,W0,N,N,T:                FreeBSD:5.0-5.1::FreeBSD 4.8-5.1 (or MacOS X)
65535:64:1:60:M*,N,W1,N,N,T:                FreeBSD:4.7-4.9::FreeBSD 4.7-5.1
65535:64:1:60:M*,N,W1,N,N,T:                FreeBSD:5.0-5.1::FreeBSD 4.7-5.1
16384:64:0:60:M*,N,W0,N,N,T:                NetBSD:1.3::NetBSD 1.3
65535:64:0:60:M*,N,W0,N,N,T0:               NetBSD:1.6:opera:NetBSD 1.6 (Opera)
16384:64:0:60:M*,N,W0,N,N,T0:               NetBSD:1.6::NetBSD 1.6
16384:64:1:60:M*,N,W0,N,N,T0:               NetBSD:1.6:df:NetBSD 1.6 (DF)
65535:64:1:60:M*,N,W1,N,N,T0:               NetBSD:1.6::NetBSD 1.6W-current (DF)
65535:64:1:60:M*,N,W0,N,N,T0:               NetBSD:1.6::NetBSD 1.6X (DF)
32768:64:1:60:M*,N,W0,N,N,T0:               NetBSD:1.6:randomization:NetBSD 1.6ZH-current (w/ ip_id randomization)
16384:64:0:60:M*,N,W0,N,N,T:                OpenBSD:2.6::NetBSD 1.3 (or OpenBSD 2.6)
16384:64:1:64:M*,N,N,S,N,W0,N,N,T:          OpenBSD:3.0-3.5::OpenBSD 3.0-3.5
16384:64:0:64:M*,N,N,S,N,W0,N,N,T:          OpenBSD:3.0-3.5:no-df:OpenBSD 3.0-3.5 (scrub no-df)
57344:64:1:64:M*,N,N,S,N,W0,N,N,T:          OpenBSD:3.3-3.5::OpenBSD 3.3-3.5
57344:64:0:64:M*,N,N,S,N,W0,N,N,T:          OpenBSD:3.3-3.5:no-df:OpenBSD 3.3-3.5 (scrub no-df)
65535:64:1:64:M*,N,N,S,N,W0,N,N,T:          OpenBSD:3.0-3.5:opera:OpenBSD 3.0-3.5 (Opera)
S17:64:1:64:N,W3,N,N,T0,N,N,S,M*:           Solaris:8:RFC1323:Solaris 8 RFC1323
S17:64:1:48:N,N,S,M*:                       Solaris:8::Solaris 8
S17:255:1:44:M*:                            Solaris:2.5-2.7::Solaris 2.5 to 7
S6:255:1:44:M*:                             Solaris:2.6-2.7::Solaris 2.6 to 7
S23:255:1:44:M*:                            Solaris:2.5:1:Solaris 2.5.1
S34:64:1:48:M*,N,N,S:                       Solaris:2.9::Solaris 9
S44:255:1:44:M*:                            Solaris:2.7::Solaris 7
4096:64:0:44:M1460:                         SunOS:4.1::SunOS 4.1.x
S34:64:1:52:M*,N,W0,N,N,S:                  Solaris:10::Solaris 10 (beta)
49152:64:0:44:M*:                           IRIX:6.4::IRIX 6.4
61440:64:0:44:M*:                           IRIX:6.2-6.5::IRIX 6.2-6.5
49152:64:0:52:M*,N,W2,N,N,S:                IRIX:6.5:RFC1323:IRIX 6.5 (RFC1323)
49152:64:0:52:M*,N,W3,N,N,S:                IRIX:6.5:RFC1323:IRIX 6.5 (RFC1323)
61440:64:0:48:M*,N,N,S:                     IRIX:6.5:12-21:IRIX 6.5.12 - 6.5.21
49152:64:0:48:M*,N,N,S:                     IRIX:6.5:15-21:IRIX 6.5.15 - 6.5.21
32768:64:1:48:M*,N,W0:                      Tru64:4.0::Tru64 4.0 (or OS/2 Warp 4)
32768:64:0:48:M*,N,W0:                      Tru64:5.0::Tru64 5.0
8192:64:0:44:M1460:                         Tru64:5.1:noRFC1323:Tru64 6.1 (no RFC1323) (or QNX 6)
61440:64:0:48:M*,N,W0:                      Tru64:5.1a:JP4:Tru64 v5.1a JP4 (or OpenVMS 7.x on Compaq 5.x stack)
6144:64:1:60:M*,N,W0,N,N,T:                 OpenVMS:7.2::OpenVMS 7.2 (Multinet 4.4 stack)
16616:255:1:48:M*,W0:                       MacOS:7.3-7.6:OTTCP:MacOS 7.3-8.6 (OTTCP)
16616:255:1:48:M*,W0:                       MacOS:8.0-8.6:OTTCP:MacOS 7.3-8.6 (OTTCP)
16616:255:1:48:M*,N,N,N:                    MacOS:8.1-8.6:OTTCP:MacOS 8.1-8.6 (OTTCP)
32768:255:1:48:M*,W0,N:                     MacOS:9.0-9.2::MacOS 9.0-9.2
65535:255:1:48:M*,N,N,N,N:                  MacOS:9.1::MacOS 9.1 (OT 2.7.4)
8192:32:1:44:M*:                            Windows:3.11::Windows 3.11 (Tucows)
S44:64:1:64:M*,N,W0,N,N,T0,N,N,S:           Windows:95::Windows 95
8192:128:1:64:M*,N,W0,N,N,T0,N,N,S:         Windows:95:b:Windows 95b
S44:32:1:48:M*,N,N,S:                       Windows:98:lowTTL:Windows 98 (low TTL)
8192:32:1:48:M*,N,N,S:                      Windows:98:lowTTL:Windows 98 (low TTL)
%8192:64:1:48:M536,N,N,S:                   Windows:98::Windows 98
%8192:128:1:48:M536,N,N,S:                  Windows:98::Windows 98
S4:64:1:48:M*,N,N,S:                        Windows:98::Windows 98
S6:64:1:48:M*,N,N,S:                        Windows:98::Windows 98
S12:64:1:48:M*,N,N,S:                       Windows:98::Windows 98
T30:64:1:64:M1460,N,W0,N,N,T0,N,N,S:        Windows:98::Windows 98
32767:64:1:48:M*,N,N,S:                     Windows:98::Windows 98
37300:64:1:48:M*,N,N,S:                     Windows:98::Windows 98
46080:64:1:52:M*,N,W3,N,N,S:                Windows:98:RFC1323:Windows 98 (RFC1323)
65535:64:1:44:M*:                           Windows:98:noSack:Windows 98 (no sack)
S16:128:1:48:M*,N,N,S:                      Windows:98::Windows 98
S16:128:1:64:M*,N,W0,N,N,T0,N,N,S:          Windows:98::Windows 98
S26:128:1:48:M*,N,N,S:                      Windows:98::Windows 98
T30:128:1:48:M*,N,N,S:                      Windows:98::Windows 98
32767:128:1:52:M*,N,W0,N,N,S:               Windows:98::Windows 98
60352:128:1:48:M*,N,N,S:                    Windows:98::Windows 98
60352:128:1:64:M*,N,W2,N,N,T0,N,N,S:        Windows:98::Windows 98
T31:128:1:44:M1414:                         Windows:NT:4.0:Windows NT 4.0 SP6a
64512:128:1:44:M1414:                       Windows:NT:4.0:Windows NT 4.0 SP6a
8192:128:1:44:M*:                           Windows:NT:4.0:Windows NT 4.0 (older)
65535:128:1:48:M*,N,N,S:                    Windows:2000:SP4:Windows 2000 SP4, XP SP1
65535:128:1:48:M*,N,N,S:                    Windows:XP:SP1:Windows 2000 SP4, XP SP1
%8192:128:1:48:M*,N,N,S:                    Windows:2000:SP2+:Windows 2000 SP2, XP SP1 (seldom 98 4.10.2222)
%8192:128:1:48:M*,N,N,S:                    Windows:XP:SP1:Windows 2000 SP2, XP SP1 (seldom 98 4.10.2222)
S20:128:1:48:M*,N,N,S:                      Windows:2000::Windows 2000/XP SP3
S20:128:1:48:M*,N,N,S:                      Windows:XP:SP3:Windows 2000/XP SP3
S45:128:1:48:M*,N,N,S:                      Windows:2000:SP4:Windows 2000 SP4, XP SP 1
S45:128:1:48:M*,N,N,S:                      Windows:XP:SP1:Windows 2000 SP4, XP SP 1
40320:128:1:48:M*,N,N,S:                    Windows:2000:SP4:Windows 2000 SP4
S6:128:1:48:M*,N,N,S:                       Windows:2000:SP2:Windows XP, 2000 SP2+
S6:128:1:48:M*,N,N,S:                       Windows:XP::Windows XP, 2000 SP2+
S12:128:1:48:M*,N,N,S:                      Windows:XP:SP1:Windows XP SP1
S44:128:1:48:M*,N,N,S:                      Windows:2000:SP3:Windows Pro SP1, 2000 SP3
S44:128:1:48:M*,N,N,S:                      Windows:XP:SP1:Windows Pro SP1, 2000 SP3
64512:128:1:48:M*,N,N,S:                    Windows:2000:SP3:Windows SP1, 2000 SP3
64512:128:1:48:M*,N,N,S:                    Windows:XP:SP1:Windows SP1, 2000 SP3
32767:128:1:48:M*,N,N,S:                    Windows:2000:SP4:Windows SP1, 2000 SP4
32767:128:1:48:M*,N,N,S:                    Windows:XP:SP1:Windows SP1, 2000 SP4
S52:128:1:48:M1260,N,N,S:                   Windows:2000:cisco:Windows XP/2000 via Cisco
S52:128:1:48:M1260,N,N,S:                   Windows:XP:cisco:Windows XP/2000 via Cisco
65520:128:1:48:M*,N,N,S:                    Windows:XP::Windows XP bare-bone
16384:128:1:52:M536,N,W0,N,N,S:             Windows:2000:ZoneAlarm:Windows 2000 w/ZoneAlarm?
2048:255:0:40:.:                            Windows:.NET::Windows .NET Enterprise Server
32768:64:1:44:M*:                           HP-UX:B.10.20::HP-UX B.10.20
32768:64:0:48:M*,W0,N:                      HP-UX:11.0::HP-UX 11.0
32768:64:1:48:M*,W0,N:                      HP-UX:11.10::HP-UX 11.0 or 11.11
32768:64:1:48:M*,W0,N:                      HP-UX:11.11::HP-UX 11.0 or 11.11
0:64:0:48:M*,W0,N:                          HP-UX:B.11.00:A:HP-UX B.11.00 A (RFC1323)
12288:32:0:44:M536:                         RISC OS:3.70:4.10:RISC OS 3.70 inet 4.10
8192:64:1:60:M1460,N,W0,N,N,T:              BSD/OS:3.1::BSD/OS 3.1-4.3 (or MacOS X 10.2 w/DF)
8192:64:1:60:M1460,N,W0,N,N,T:              BSD/OS:4.0-4.3::BSD/OS 3.1-4.3 (or MacOS X 10.2)
4096:64:0:44:M1420:                         NewtonOS:2.1::NewtonOS 2.1
S8:64:0:44:M512:                            NeXTSTEP:3.3::NeXTSTEP 3.3
1024:255:0:48:M*,N,W0:                      BeOS:5.0-5.1::BeOS 5.0-5.1
12288:255:0:44:M1402:                       BeOS:5.0::BeOS 5.0.x
8192:64:1:60:M1440,N,W0,N,N,T:              OS/400:VR4::OS/400 VR4/R5
8192:64:1:60:M1440,N,W0,N,N,T:              OS/400:VR5::OS/400 VR4/R5
4096:64:1:60:M1440,N,W0,N,N,T:              OS/400:V4R5:CF67032:OS/400 V4R5 + CF67032
16384:64:0:40:.:                            ULTRIX:4.5::ULTRIX 4.5
S16:64:0:44:M512:                           QNX:::QNX demodisk
16384:128:1:44:M1460:                       Novell:NetWare:5.0:Novel Netware 5.0
6144:128:1:44:M1460:                        Novell:IntranetWare:4.11:Novell IntranetWare 4.11
6144:128:1:44:M1368:                        Novell:BorderManager::Novell BorderManager ?
6144:128:1:52:M*,W0,N,S,N,N:                Novell:Netware:6:Novell Netware 6 SP3
S3:64:1:60:M1460,N,W0,N,N,T:                SCO:UnixWare:7.1:SCO UnixWare 7.1
S23:64:1:44:M1380:                          SCO:OpenServer:5.0:SCO OpenServer 5.0
2048:255:0:44:M536:                         DOS:WATTCP:1.05:DOS Arachne via WATTCP/1.05
S56:64:0:44:M512:                           OS/2:4::OS/2 4
0:64:0:44:M1460:                            TOPS-20:7::TOPS-20 version 7
65535:255:0:48:M1460,W0,N:                  Plan9:4::Plan9 edition 4
16384:64:1:48:M1560,N,N,S:                  AMIGAOS:3.9::AMIGAOS 3.9 BB2 MiamiDX
S12:64:1:44:M1460:                          @Checkpoint:::Checkpoint (unknown 1)
S12:64:1:48:N,N,S,M1460:                    @Checkpoint:::Checkpoint (unknown 2)
4096:32:0:44:M1460:                         ExtremeWare:4.x::ExtremeWare 4.x
60352:64:0:52:M1460,N,W2,N,N,S:             Clavister:7::Clavister firewall 7.x
S4:64:1:60:W0,N,S,T,M1460:                  FortiNet:FortiGate:50:FortiNet FortiGate 50
8192:64:1:44:M1460:                         Eagle:::Eagle Secure Gateway
4128:255:0:44:M*:                           Cisco:::Cisco Catalyst 3500, 7500 etc
S8:255:0:44:M*:                             Cisco:12008::Cisco 12008
60352:128:1:64:M1460,N,W2,N,N,T,N,N,S:      Alteon:ACEswitch::Alteon ACEswitch
64512:128:1:44:M1370:                       Nortel:Contivity Client::Nortel Conectivity Client
S4:64:1:52:M1460,N,N,S,N,W0:                AOL:web cache::AOL web cache
32850:64:1:64:N,W1,N,N,T,N,N,S,M*:          NetApp:5.x::NetApp Data OnTap 5.x
16384:64:1:64:M1460,N,N,S,N,W0,N:           NetApp:5.3:1:NetApp 5.3.1
# (Its options fill 56 bytes; the 64 on record must count 8 bytes of data.)
16384:64:1:56:M1460,N,N,S,N,W0,N:           NetApp:5.3:1:NetApp 5.3.1
65535:64:0:64:M1460,N,N,S,N,W*,N,N,T:       NetApp:5.3-5.5::NetApp 5.3-5.5
65535:64:0:60:M1460,N,W0,N,N,T:             NetApp:CacheFlow::NetApp CacheFlow
8192:64:1:64:M1460,N,N,S,N,W0,N,N,T:        NetApp:5.2:1:NetApp NetCache 5.2.1
20480:64:1:64:M1460,N,N,S,N,W0,N,N,T:       NetApp:4.1::NetApp NetCache4.1
65535:64:0:60:M1460,N,W0,N,N,T:             CacheFlow:4.1::CacheFlow CacheOS 4.1
8192:64:0:60:M1380,N,N,N,N,N,N,T:           CacheFlow:1.1::CacheFlow CacheOS 1.1
S4:64:0:48:M1460,N,N,S:                     Cisco:Content Engine::Cisco Content Engine
27085:128:0:40:.:                           Dell:PowerApp cache::Dell PowerApp (Linux-based)
65535:255:1:48:N,W1,M1460:                  Inktomi:crawler::Inktomi crawler
S1:255:1:60:M1460,S,T,N,W0:                 LookSmart:ZyBorg::LookSmart ZyBorg
16384:255:0:40:.:                           Proxyblocker:::Proxyblocker (what's this?)
S9:255:0:44:M536:                           PalmOS:Tungsten:C:PalmOS Tungsten C
S5:255:0:44:M536:                           PalmOS:3::PalmOS 3/4
S5:255:0:44:M536:                           PalmOS:4::PalmOS 3/4
S4:255:0:44:M536:                           PalmOS:3:5:PalmOS 3.5
2948:255:0:44:M536:                         PalmOS:3:5:PalmOS 3.5.3 (Handera)
S29:255:0:44:M536:                          PalmOS:5::PalmOS 5.0
S23:64:1:64:N,W1,N,N,T,N,N,S,M1460:         SymbianOS:7::SymbianOS 7
8192:255:0:44:M1460:                        SymbianOS:6048::SymbianOS 6048 (on Nokia 7650?)
8192:255:0:44:M536:                         SymbianOS:::SymbianOS (on Nokia 9210?)
5840:64:1:60:M1452,S,T,N,W1:                Zaurus:3.10::Zaurus 3.10
32768:128:1:64:M1460,N,W0,N,N,T0,N,N,S:     PocketPC:2002::PocketPC 2002
S1:255:0:44:M346:                           Contiki:1.1:rc0:Contiki 1.1-rc0
4096:128:0:44:M1460:                        Sega:Dreamcast:3.0:Sega Dreamcast Dreamkey 3.0
T5:64:0:44:M536:                            Sega:Dreamcast:HKT-3020:Sega Dreamcast HKT-3020 (browser disc 51027)
S22:64:1:44:M1460:                          Sony:PS2::Sony Playstation 2 (SOCOM?)
S12:64:0:44:M1452:                          AXIS:5600:v5.64:AXIS Printer Server 5600 v5.64
1024:64:0:40:.:                             *NMAP:syn scan:1:NMAP syn scan (1)
2048:64:0:40:.:                             *NMAP:syn scan:2:NMAP syn scan (2)
3072:64:0:40:.:                             *NMAP:syn scan:3:NMAP syn scan (3)
4096:64:0:40:.:                             *NMAP:syn scan:4:NMAP syn scan (4)
1024:64:0:60:W10,N,M265,T:                  *NMAP:OS:1:NMAP OS detection probe (1)
2048:64:0:60:W10,N,M265,T:                  *NMAP:OS:2:NMAP OS detection probe (2)
3072:64:0:60:W10,N,M265,T:                  *NMAP:OS:3:NMAP OS detection probe (3)
4096:64:0:60:W10,N,M265,T:                  *NMAP:OS:4:NMAP OS detection probe (4)
*:128:1:52:M*,N,W0,N,N,S:                   @Windows:XP:RFC1323:Windows XP/2000 (RFC1323 no tstamp)
*:128:1:52:M*,N,W0,N,N,S:                   @Windows:2000:RFC1323:Windows XP/2000 (RFC1323 no tstamp)
*:128:1:64:M*,N,W0,N,N,T0,N,N,S:            @Windows:XP:RFC1323:Windows XP/2000 (RFC1323)
*:128:1:64:M*,N,W0,N,N,T0,N,N,S:            @Windows:2000:RFC1323:Windows XP/2000 (RFC1323)
*:128:1:64:M*,N,W*,N,N,T0,N,N,S:            @Windows:XP:RFC1323:Windows XP (RFC1323, w+)
*:128:1:48:M536,N,N,S:                      @Windows:98::Windows 98
*:128:1:48:M*,N,N,S:                        @Windows:XP::Windows XP/2000
*:128:1:48:M*,N,N,S:                        @Windows:2000::Windows XP/2000

# --- More of those years ---
#
# Early Mac OS X has the shapes of the FreeBSD it came from (the Satori
# collection).
65535:64:1:60:M*,N,W0,N,N,T:                MacOS:X:10.0-10.3:Mac OS X 10.0 - 10.3
65535:64:1:60:M*,N,W1,N,N,T:                MacOS:X:10.0-10.3:Mac OS X 10.0 - 10.3
65535:64:1:60:M*,N,W2,N,N,T:                MacOS:X:10.0-10.3:Mac OS X 10.0 - 10.3
32768:64:1:60:M*,N,W0,N,N,T:                MacOS:X:10.0-10.3:Mac OS X 10.0 - 10.3
10000:64:1:60:M*,N,W0,N,N,T:                MacOS:X:10.0-10.3:Mac OS X 10.0 - 10.3

# --- Guesses ---
#
# Layouts that belong to one family, whatever the window, as p0f 3.09b lists some.
# The layouts are those of the systems above; the rest is deduction: an MSS
# lowered on the way, no DF, or a proxy or VPN that sent on with another TTL.
*:64:*:60:M*,S,T,N,W*:                      @Linux:::Linux
*:64:*:52:M*,N,N,S,N,W*:                    @Linux::ts:Linux w/o timestamps
*:64:*:60:M*,N,N,T,N,W*:                    @Linux::sack:Linux w/o SACK
*:64:*:56:M*,S,T:                           @Linux::ws:Linux w/o window scaling
*:64:*:64:M*,S,T,N,W*,?34,N,N:              @Linux::TFO:Linux (asks for TCP Fast Open)
*:64:*:64:M*,S,T,N,W*,?30:                  @Linux::MPTCP:Linux (Multipath TCP)
*:64:1:44:M*:                               @Linux::barebone:Linux (barebone)
*:32:*:60:M*,S,T,N,W*:                      @Linux::ttl:Linux (other TTL)
*:128-:*:60:M*,S,T,N,W*:                    @Linux::ttl:Linux (other TTL)
*:255-:*:60:M*,S,T,N,W*:                    @Linux::ttl:Linux (other TTL)
*:64:*:64:M*,N,W*,N,N,T,S,E,E:              @MacOS:X::Mac OS X, iOS or other Apple system
*:16:*:64:M*,N,W*,N,N,T,S,E,E:              @MacOS:X:ttl:Mac OS X, iOS or other Apple system (other TTL)
*:32:*:64:M*,N,W*,N,N,T,S,E,E:              @MacOS:X:ttl:Mac OS X, iOS or other Apple system (other TTL)
*:128-:*:64:M*,N,W*,N,N,T,S,E,E:            @MacOS:X:ttl:Mac OS X, iOS or other Apple system (other TTL)
*:255-:*:64:M*,N,W*,N,N,T,S,E,E:            @MacOS:X:ttl:Mac OS X, iOS or other Apple system (other TTL)
65535:16:1:48:M*,S,E,E:                     @MacOS:X:ttl:Mac OS X, iOS or other Apple system (other TTL)
65535:32:1:48:M*,S,E,E:                     @MacOS:X:ttl:Mac OS X, iOS or other Apple system (other TTL)
65535:16:1:64:M*,N,N,N,N,N,N,N,N,N,N,N,N,N,N,N,N,N,N,E,E: @MacOS:X:nops:Mac OS X, iOS or other Apple system (options blanked)
65535:32:1:64:M*,N,N,N,N,N,N,N,N,N,N,N,N,N,N,N,N,N,N,E,E: @MacOS:X:nops:Mac OS X, iOS or other Apple system (options blanked)
65535:64:1:64:M*,N,N,N,N,N,N,N,N,N,N,N,N,N,N,N,N,N,N,E,E: @MacOS:X:nops:Mac OS X, iOS or other Apple system (options blanked)
65535:64:*:60:M*,N,W*,S,T:                  @FreeBSD:::FreeBSD
16384:64:*:60:M*,N,W*,S,T:                  @FreeBSD:::FreeBSD
49152:64:*:60:M*,N,W*,S,T:                  @FreeBSD:::FreeBSD
57344:64:*:60:M*,N,W*,S,T:                  @FreeBSD:::FreeBSD
*:64:*:64:M*,N,N,S,N,W*,N,N,T:              @OpenBSD:::OpenBSD
*:128-:*:52:M*,N,W*,N,N,S:                  @Windows:::Windows 2000 and newer
*:128:*:60:M*,N,W*,S,T:                     @Windows::ts:Windows 2000 and newer (timestamps)
*:32:*:60:M*,N,W*,S,T:                      @Windows::ts:Windows 2000 and newer (timestamps, other TTL)
*:16:*:52:M*,N,W*,N,N,S:                    @Windows::ttl:Windows 2000 and newer (other TTL)
*:32:*:52:M*,N,W*,N,N,S:                    @Windows::ttl:Windows 2000 and newer (other TTL)
*:64:*:52:M*,N,W*,N,N,S:                    @Windows::ttl:Windows 2000 and newer (other TTL)
*:255-:*:52:M*,N,W*,N,N,S:                  @Windows::ttl:Windows 2000 and newer (other TTL)
%8192:16:1:48:M*,N,N,S:                     @Windows::ttl:Windows 2000 and newer (other TTL)
%8192:32:1:48:M*,N,N,S:                     @Windows::ttl:Windows 2000 and newer (other TTL)
%8192:64:1:48:M*,N,N,S:                     @Windows::ttl:Windows 2000 and newer (other TTL)
S44:16:1:48:M*,N,N,S:                       @Windows::ttl:Windows 2000 and newer (other TTL)
S44:32:1:48:M*,N,N,S:                       @Windows::ttl:Windows 2000 and newer (other TTL)
S44:64:1:48:M*,N,N,S:                       @Windows::ttl:Windows 2000 and newer (other TTL)
65535:16:1:48:M*,N,N,S:                     @Windows::ttl:Windows 2000 and newer (other TTL)
65535:32:1:48:M*,N,N,S:                     @Windows::ttl:Windows 2000 and newer (other TTL)
65535:64:1:48:M*,N,N,S:                     @Windows::ttl:Windows 2000 and newer (other TTL)
8192:64:1:48:M1460,N,N,S:                   @Nintendo:Wii::Nintendo Wii
*:32:*:52:M*,N,N,S,N,W*:                    @Linux::ts ttl:Linux w/o timestamps (other TTL)
*:128-:*:52:M*,N,N,S,N,W*:                  @Linux::ts ttl:Linux w/o timestamps (other TTL)
*:255-:*:52:M*,N,N,S,N,W*:                  @Linux::ts ttl:Linux w/o timestamps (other TTL)
*:1:*:60:M*,S,T,N,W*:                       @Linux::ttl 1:Linux (TTL 1, as eBGP)
*:64:*:56:M*,N,N,T:                         @Linux::sack ws:Linux w/o SACK and window scaling
*:64:*:48:M*,N,W*:                          @Linux::sack ts:Linux w/o SACK and timestamps
*:64:*:60:M*,S,N,N,N,N,N,N,N,N,N,N,N,W*:    @Linux::nops:Linux (timestamps blanked on the way)
*:128-:*:60:M*,S,N,N,N,N,N,N,N,N,N,N,N,W*:  @Linux::nops:Linux (timestamps blanked on the way)
*:255-:*:60:M*,S,N,N,N,N,N,N,N,N,N,N,N,W*:  @Linux::nops:Linux (timestamps blanked on the way)
*:64:*:60:M*,S,T,N,N,N,N:                   @Linux::nops:Linux (window scale blanked on the way)
*:64:*:52:M*,N,W*,S,E,E:                    @MacOS:X:ts:Mac OS X, iOS or other Apple system w/o timestamps, or FreeBSD
*:64:*:48:M*,S,E,E:                         @MacOS:X::Mac OS X, iOS or other Apple system (repeated SYN)
*:64:*:64:M*,N,W*,N,N,N,N,N,N,N,N,N,N,N,N,S,E,E: @MacOS:X:nops:Mac OS X, iOS or other Apple system (timestamps blanked)
*:64:*:*:M*,N,W*,N,N,T,?30,S,E:             @MacOS:X:MPTCP:Mac OS X, iOS or other Apple system (Multipath TCP)
*:64:*:60:M*,N,W*,S,N,N,N,N,N,N,N,N,N,N:    @FreeBSD::nops:FreeBSD (timestamps blanked on the way)
65535:32:*:60:M*,N,W3,S,T:                  @FreeBSD::ttl:FreeBSD (other TTL)
65535:32:*:60:M*,N,W6,S,T:                  @FreeBSD::ttl:FreeBSD (other TTL)
65535:32:*:60:M*,N,W7,S,T:                  @FreeBSD::ttl:FreeBSD (other TTL)
65535:32:*:60:M*,N,W9,S,T:                  @FreeBSD::ttl:FreeBSD (other TTL)
16384:32:*:64:M*,N,N,S,N,W*,N,N,T:          @OpenBSD::ttl:OpenBSD (other TTL)
65535:128:*:60:M*,N,W3,S,T:                 @FreeBSD::ttl:FreeBSD (other TTL)
65535:128:*:60:M*,N,W6,S,T:                 @FreeBSD::ttl:FreeBSD (other TTL)
65535:128:*:60:M*,N,W7,S,T:                 @FreeBSD::ttl:FreeBSD (other TTL)
65535:128:*:60:M*,N,W9,S,T:                 @FreeBSD::ttl:FreeBSD (other TTL)
16384:128:*:64:M*,N,N,S,N,W*,N,N,T:         @OpenBSD::ttl:OpenBSD (other TTL)
65535:255-:*:60:M*,N,W3,S,T:                @FreeBSD::ttl:FreeBSD (other TTL)
65535:255-:*:60:M*,N,W6,S,T:                @FreeBSD::ttl:FreeBSD (other TTL)
65535:255-:*:60:M*,N,W7,S,T:                @FreeBSD::ttl:FreeBSD (other TTL)
65535:255-:*:60:M*,N,W9,S,T:                @FreeBSD::ttl:FreeBSD (other TTL)
16384:255-:*:64:M*,N,N,S,N,W*,N,N,T:        @OpenBSD::ttl:OpenBSD (other TTL)
*:64:*:64:M*,N,W*,S,N,N,N,N,T:              @NetBSD:::NetBSD
*:128-:*:48:M*,N,N,S:                       @Windows:::Windows 2000 and newer
*:255-:*:48:M*,N,N,S:                       @Windows::ttl:Windows 2000 and newer (other TTL)
*:64:*:48:M*,N,N,S:                         @Windows::ttl:Windows 2000 and newer (other TTL), or Linux w/o timestamps and window scaling
*:32:*:48:M*,N,N,S:                         @Windows::ttl:Windows 2000 and newer (other TTL)
*:64:*:48:N,W*,N,N,S:                       @Windows::mss:Windows Vista and newer (MSS taken out)
*:64:*:44:N,N,S:                            @Windows::mss:Windows 2000 and newer (MSS taken out)
*:128-:*:48:N,W*,N,N,S:                     @Windows::mss:Windows Vista and newer (MSS taken out)
*:128-:*:44:N,N,S:                          @Windows::mss:Windows 2000 and newer (MSS taken out)
*:128:*:52:M*,N,N,N,N,N,N,S:                @Windows::nops:Windows 2000 and newer (window scale blanked on the way)
*:128:*:52:M*,N,W*,N,N,N,N:                 @Windows::nops:Windows 2000 and newer (SACK blanked on the way)
*:255-:*:60:M*,N,W*,S,T:                    @Windows::ts:Windows (timestamps), or FreeBSD (other TTL)
49640:64:*:52:M*,N,W0,N,N,S:                @Solaris:10::Solaris 10
*:255:1:48:M*,S,E:                          @F5:Big-IP::F5 Big-IP
*:255:1:60:M*,N,N,T,S,E,E:                  @F5:Big-IP::F5 Big-IP
65535:255:0:40:.:                           @*zmap:::zmap (without options)
16384:128:0:40:.:id=256:                    @*scanner:ID 256::Scanner (16384, ID 256)
#
# Hosts seen while they ran an old nmap (the Satori collection).
%1024:64:0:60:W10,N,M265,T:                 @Linux:2.2-2.4:nmap:Linux 2.2 - 2.4 (running NMAP)
%1024:64:0:60:W10,N,M265,T:                 @FreeBSD:3.4-4.x:nmap:FreeBSD 3.4 - 4.x (running NMAP)
%1024:64:0:60:W10,N,M265,T:                 @OpenBSD:2.6-2.9:nmap:OpenBSD 2.6 - 2.9 (running NMAP)
#
# What is left: no system of today sends a SYN without options; small stacks and
# tools send an MSS alone.
*:32:*:44:M*:                               @embedded:::Small device, or a tool with packets of its own (MSS alone)
*:96:*:44:M*:                               @embedded:::Small device, or a tool with packets of its own (MSS alone)
*:128:*:44:M*:                              @embedded:::Small device, or a tool with packets of its own (MSS alone)
*:255:*:44:M1460:                           @embedded:::Small device, or a tool with packets of its own (MSS alone)
*:255:*:44:M1452:                           @embedded:::Small device, or a tool with packets of its own (MSS alone)
*:255:*:44:M1440:                           @embedded:::Small device, or a tool with packets of its own (MSS alone)
*:255:*:44:M1420:                           @embedded:::Small device, or a tool with packets of its own (MSS alone)
*:255:*:44:M1414:                           @embedded:::Small device, or a tool with packets of its own (MSS alone)
*:255:*:44:M1412:                           @embedded:::Small device, or a tool with packets of its own (MSS alone)
*:255:*:44:M1400:                           @embedded:::Small device, or a tool with packets of its own (MSS alone)
*:255:*:44:M1380:                           @embedded:::Small device, or a tool with packets of its own (MSS alone)
*:255:*:44:M1360:                           @embedded:::Small device, or a tool with packets of its own (MSS alone)
*:255:*:44:M536:                            @embedded:::Small device, or a tool with packets of its own (MSS alone)
%8192:64:0:44:M*:                           @embedded:::Small device, or a tool with packets of its own (MSS alone)
65535:64:0:44:M*:                           @embedded:::Small device, or a tool with packets of its own (MSS alone)
S1:64:0:44:M*:                              @embedded:::Small device, or a tool with packets of its own (MSS alone)
S2:64:0:44:M*:                              @embedded:::Small device, or a tool with packets of its own (MSS alone)
S3:64:0:44:M*:                              @embedded:::Small device, or a tool with packets of its own (MSS alone)
S4:64:0:44:M*:                              @embedded:::Small device, or a tool with packets of its own (MSS alone)
S8:64:0:44:M*:                              @embedded:::Small device, or a tool with packets of its own (MSS alone)
S10:64:0:44:M*:                             @embedded:::Small device, or a tool with packets of its own (MSS alone)
S20:64:0:44:M*:                             @embedded:::Small device, or a tool with packets of its own (MSS alone)
S44:64:0:44:M*:                             @embedded:::Small device, or a tool with packets of its own (MSS alone)
*:255-:*:*:.:                               @*raw:::Scanner or flood, a tool with packets of its own (no options)
