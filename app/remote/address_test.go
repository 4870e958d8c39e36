package remote

import (
	"net/netip"
	"testing"
)

func TestWhichAddressesArePublic(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name, address string
		want          bool
	}{
		{"a public address", "93.184.215.14", true},
		{"a public address in IPv6", "2606:2800:21f:cb07:6820:80da:af6b:8b2c", true},
		{"a public address mapped into IPv6", "::ffff:93.184.215.14", true},
		{"a public address behind NAT64", "64:ff9b::5db8:d70e", true},

		{"loopback", "127.0.0.1", false},
		{"another address of loopback", "127.255.3.4", false},
		{"loopback in IPv6", "::1", false},
		{"loopback mapped into IPv6", "::ffff:127.0.0.1", false},
		{"loopback compatible with IPv6", "::127.0.0.1", false},
		{"loopback behind NAT64", "64:ff9b::7f00:1", false},
		{"loopback behind a local NAT64", "64:ff9b:1::7f00:1", false},
		{"loopback inside 6to4", "2002:7f00:1::", false},
		{"Teredo", "2001:0:4136:e378:8000:63bf:3fff:fdd2", false},
		{"unspecified", "0.0.0.0", false},
		{"unspecified in IPv6", "::", false},
		{"this network", "0.1.2.3", false},
		{"private 10", "10.0.0.1", false},
		{"private 172.16", "172.16.0.1", false},
		{"the last of private 172.16", "172.31.255.255", false},
		{"the first after private 172.16", "172.32.0.1", true},
		{"private 192.168", "192.168.1.1", false},
		{"private mapped into IPv6", "::ffff:10.0.0.1", false},
		{"behind a carrier's NAT", "100.64.0.1", false},
		{"the last behind a carrier's NAT", "100.127.255.255", false},
		{"metadata of a cloud", "169.254.169.254", false},
		{"metadata mapped into IPv6", "::ffff:169.254.169.254", false},
		{"metadata behind NAT64", "64:ff9b::a9fe:a9fe", false},
		{"metadata of AWS in IPv6", "fd00:ec2::254", false},
		{"metadata of Alibaba", "100.100.100.200", false},
		{"metadata of Oracle", "192.0.0.192", false},
		{"the host of an Azure machine", "168.63.129.16", false},
		{"link-local in IPv6", "fe80::1", false},
		{"link-local with a zone", "fe80::1%eth0", false},
		{"private with a zone", "fd12::1%eth0", false},
		{"unique local", "fd12:3456:789a::1", false},
		{"multicast", "224.0.0.1", false},
		{"multicast in IPv6", "ff02::1", false},
		{"reserved", "240.0.0.1", false},
		{"broadcast", "255.255.255.255", false},
		{"documentation", "192.0.2.1", false},
		{"documentation in IPv6", "2001:db8::1", false},
		{"benchmarks", "198.18.0.1", false},
	} {
		if got := public(netip.MustParseAddr(row.address)); got != row.want {
			t.Errorf("%s (%s): public is %v", row.name, row.address, got)
		}
	}
	if public(netip.Addr{}) {
		t.Error("no address at all is public")
	}
}
