//! What only a process of its own can show: that kill -9 loses nothing acknowledged.

mod crash;
