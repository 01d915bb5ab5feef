# SPDX-License-Identifier: Apache-2.0
"""What the integration tests and the show share: starting the real programs in a folder of their own, and talking to them."""
