--- times.lua - the times that a run of apply goes by, in seconds. One table, so that a model of the service can try others.
--- Pure. Part of qcimage, see LICENSE.

return {
  -- Age of what is known of an image when a change is sent, counted from the response.
  AGE = 1,
  -- The same before a slot of the rate is asked for.
  FRESH = 0.3,
  -- For so long a list may show what was before a change.
  LAG = 5,
  -- For so long a request may arrive whose response was given up.
  LATE = 5,
  -- For so long a request of a killed process may arrive: the time limit of an attempt, and LATE.
  OPEN = 15,
  -- A step is tried for so long while what fails may pass: throttles, a service or a network that is out of order.
  RETRY = 60,
  -- The waits between its tries: the first at most, and the longest.
  FIRST_WAIT = 0.5,
  LONGEST_WAIT = 8,
  -- For so long a name may stay taken after the image that had it was renamed.
  NAME_RETRY = 5,
  -- Part of a wait in which no signal to stop is heard.
  SLICE = 0.2,
  -- Between two reports of progress while nothing gets on.
  REPORT = 10,
  -- A wait for a slot that is longer shows that others share the rate.
  LONG_SLOT = 3,
  -- Between two looks at an image whose change the list does not show yet, and at one that another client changed.
  CONFIRM = 0.5,
  REPEAT = 1,
}
