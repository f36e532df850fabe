# relay: batond
