"""vrrpwatch: sees, proves, explains and reports split brain among VRRP routers."""

__version__ = "0.1.0"
