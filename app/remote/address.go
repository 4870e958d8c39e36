package remote

import (
	"net/netip"
	"slices"
)

// special are the networks that are not the public internet, as IANA lists them:
// https://www.iana.org/assignments/iana-ipv4-special-registry and iana-ipv6-special-registry.
var special = [...]netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),       // this network
	netip.MustParsePrefix("10.0.0.0/8"),      // private
	netip.MustParsePrefix("100.64.0.0/10"),   // behind a carrier's NAT
	netip.MustParsePrefix("127.0.0.0/8"),     // loopback
	netip.MustParsePrefix("169.254.0.0/16"),  // link-local, and where clouds tell their secrets
	netip.MustParsePrefix("172.16.0.0/12"),   // private
	netip.MustParsePrefix("192.0.0.0/24"),    // protocols; metadata of one cloud
	netip.MustParsePrefix("192.0.2.0/24"),    // documentation
	netip.MustParsePrefix("192.88.99.0/24"),  // relays of 6to4
	netip.MustParsePrefix("192.168.0.0/16"),  // private
	netip.MustParsePrefix("198.18.0.0/15"),   // benchmarks
	netip.MustParsePrefix("198.51.100.0/24"), // documentation
	netip.MustParsePrefix("203.0.113.0/24"),  // documentation
	netip.MustParsePrefix("224.0.0.0/3"),     // multicast, reserved, broadcast
	netip.MustParsePrefix("2001::/23"),       // protocols, Teredo
	netip.MustParsePrefix("2001:db8::/32"),   // documentation
	netip.MustParsePrefix("2002::/16"),       // 6to4: an IPv4 address inside
	netip.MustParsePrefix("3fff::/20"),       // documentation
}

var (
	// global is all of IPv6 that is given to anybody; loopback, fc00::/7, fe80::/10 and ff00::/8 lie outside.
	global = netip.MustParsePrefix("2000::/3")
	// nat64 holds an IPv4 address in its last four bytes: https://www.rfc-editor.org/rfc/rfc6052.
	nat64 = netip.MustParsePrefix("64:ff9b::/96")
	// azure answers requests of its own machines here, though the address is a public one.
	azure = netip.MustParseAddr("168.63.129.16")
)

// public says that an address is one of the public internet.
func public(a netip.Addr) bool {
	a = a.WithZone("").Unmap() // a prefix contains no address with a zone
	if nat64.Contains(a) {
		b := a.As16()
		a = netip.AddrFrom4([4]byte(b[12:]))
	}
	if !a.IsValid() || a.Is6() && !global.Contains(a) || a == azure {
		return false
	}
	return !slices.ContainsFunc(special[:], func(p netip.Prefix) bool { return p.Contains(a) })
}
