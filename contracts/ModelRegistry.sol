// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {IModelRegistry} from "./IModelRegistry.sol";

/// @title ModelRegistry
contract ModelRegistry is IModelRegistry {
    /* TYPES */

    struct Publication {
        uint64 publishedAt;
        string uri;
    }

    uint256 private constant MAX_URI_BYTES = 2048;

    /* STORAGE */

    mapping(bytes32 root => mapping(address publisher => Publication)) private _publications;
    mapping(bytes32 root => address[]) private _publishers;

    /* EXTERNAL */

    /// @inheritdoc IModelRegistry
    function publish(bytes32 root, string calldata uri) external {
        if (root == bytes32(0)) revert RootZero();
        uint256 length = bytes(uri).length;
        if (length == 0 || length > MAX_URI_BYTES) revert UriLength(length, MAX_URI_BYTES);
        if (_publications[root][msg.sender].publishedAt != 0) {
            revert AlreadyPublished(root, msg.sender);
        }

        _publications[root][msg.sender] = Publication(uint64(block.timestamp), uri);
        _publishers[root].push(msg.sender);

        emit ModelPublished(root, msg.sender, uri);
    }

    /* VIEWS */

    /// @inheritdoc IModelRegistry
    function publicationOf(bytes32 root, address publisher)
        external
        view
        returns (uint64 publishedAt, string memory uri)
    {
        Publication storage publication = _publications[root][publisher];
        return (publication.publishedAt, publication.uri);
    }

    /// @inheritdoc IModelRegistry
    function publisherCount(bytes32 root) external view returns (uint256) {
        return _publishers[root].length;
    }

    /// @inheritdoc IModelRegistry
    function publisherAt(bytes32 root, uint256 index) external view returns (address) {
        return _publishers[root][index];
    }
}
