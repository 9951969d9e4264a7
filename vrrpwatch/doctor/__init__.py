"""`vrrpwatch doctor`: why does *this* host not hear, or not keep quiet?

`packets` walks an advert through a firewall's rules, `nft` and `iptables` read them, `host` asks this host, `findings`
puts it together with what the wire says.
"""
